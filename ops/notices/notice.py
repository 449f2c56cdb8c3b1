"""What is said, what became of it, and what a way of saying it has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

MOST_KEY_CHARACTERS = 200


class Severity(StrEnum):
    INFO = "info"
    """For the record: a version has passed."""
    WARNING = "warning"
    """Somebody should look today: a version was withdrawn, users are served as before."""
    CRITICAL = "critical"
    """Somebody should look now."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One message. It goes to people and into chats: no secrets and nothing of a client's belongs in it."""

    severity: Severity
    summary: str
    """One sentence."""
    deployment: str
    key: str
    """Names the event, such as a deployment and its revision: what has the same key is said once."""
    details: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not 0 < len(self.key) <= MOST_KEY_CHARACTERS:
            raise ValueError(f"a notice's key has {len(self.key)} characters: 1 to {MOST_KEY_CHARACTERS} are allowed")


class Outcome(StrEnum):
    SENT = "sent"
    SAID_BEFORE = "said before"
    """By this process or by another, which may be at it still."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of a notice on one way."""

    sender: str
    outcome: Outcome
    reason: str = ""
    """Why it failed, or what went wrong beside it; never holds an address that is secret."""


class Undelivered(RuntimeError):
    """One try failed. `again`: another may do better, not before `after_seconds` where the other side said so."""

    def __init__(self, reason: str, *, again: bool, after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.again = again
        self.after_seconds = after_seconds


class Sender(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """Short and always the same: tells one way's deliveries from another's."""
        ...

    def send(self, notice: Notice, timeout_seconds: float) -> None:
        """One try; raise Undelivered."""
        ...
