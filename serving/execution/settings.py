"""Whether models run inline or queued, and what a queue holds, from the environment.

How long a request may wait is no matter of queues alone, and is set elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from contract import service
from serving.reader import Reader

Mode = Literal["auto", "inline", "queued"]
MODES: tuple[Mode, ...] = ("auto", "inline", "queued")


@dataclass(frozen=True, kw_only=True)
class ExecutionSettings:
    """For every model of a worker."""

    mode: Mode = "auto"
    """`auto` decides for each version by what was measured when it was loaded."""
    max_batch_rows: int = 64
    """Rows that requests are joined up to; 1 runs every request by itself."""
    max_waiting_requests: int = 1024
    """Of one version, with those that are running."""


def read(reader: Reader) -> ExecutionSettings:
    defaults = ExecutionSettings()
    return ExecutionSettings(
        mode=cast(Mode, reader.choice(service.ENV_EXECUTION, defaults.mode, MODES)),
        max_batch_rows=reader.number(service.ENV_MAX_BATCH_ROWS, defaults.max_batch_rows, 1, 4096),
        max_waiting_requests=reader.number(service.ENV_MAX_WAITING_REQUESTS, defaults.max_waiting_requests, 1, 65_536),
    )
