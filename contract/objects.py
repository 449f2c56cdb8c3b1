"""Where a model version lies in a models bucket, and how its version is written.

Layout: `models/<name>/v<semver>/` holds the model file, `metadata.json` and `checksums.json`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

MODELS_PREFIX = "models/"
FEATURES_PREFIX = "features/"
ARTIFACTS_PREFIX = "artifacts/"
USERS_PREFIX = f"{ARTIFACTS_PREFIX}users/"
"""Whatever a bucket of models or data sets holds about one user lies under it, to be found, handed over and deleted."""

MODEL_FILE = "model.onnx"
METADATA_FILE = "metadata.json"
CHECKSUMS_FILE = "checksums.json"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?")


class InvalidName(ValueError):
    """A model name or version that the bucket layout does not allow; the message says what is allowed."""


class Version:
    """A semantic version (semver.org 2.0.0, without build metadata), ordered by its precedence rules.

    It stands as its text in every document. (msgspec would write the fields of a dataclass, whatever hook it is given.)
    """

    __slots__ = ("major", "minor", "patch", "prerelease")

    def __init__(self, major: int, minor: int, patch: int, prerelease: str = "") -> None:
        self.major: Final = major
        self.minor: Final = minor
        self.patch: Final = patch
        self.prerelease: Final = prerelease

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read `1.2.3`, `v1.2.3` or `1.2.3-rc.1`; raise InvalidName for anything else."""
        match = _SEMVER.fullmatch(text.removeprefix("v"))
        if match is None:
            raise InvalidName(
                f"model version {text!r} is not a semantic version: write MAJOR.MINOR.PATCH, such as 1.4.0"
            )
        major, minor, patch, prerelease = match.groups()
        return cls(int(major), int(minor), int(patch), prerelease or "")

    def __str__(self) -> str:
        core = f"{self.major}.{self.minor}.{self.patch}"
        return f"{core}-{self.prerelease}" if self.prerelease else core

    def __repr__(self) -> str:
        return f"Version({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __lt__(self, other: Version) -> bool:
        return self._precedence() < other._precedence()

    def _fields(self) -> tuple[int, int, int, str]:
        return self.major, self.minor, self.patch, self.prerelease

    def _precedence(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        # A release follows its own pre-releases; numeric identifiers come before words.
        words = tuple(
            (False, int(part), "") if part.isdigit() else (True, 0, part) for part in self.prerelease.split(".") if part
        )
        return (self.major, self.minor, self.patch, not self.prerelease, words)


def check_model_name(name: str) -> str:
    """Return `name` if it may stand in an object key and a DNS label; raise InvalidName otherwise."""
    if _NAME.fullmatch(name) is None:
        raise InvalidName(
            f"model name {name!r} is not allowed: use 1 to 63 lower-case letters, digits and inner hyphens"
        )
    return name


def model_prefix(name: str) -> str:
    """Key prefix under which every version of the model lies, with a trailing slash."""
    return f"{MODELS_PREFIX}{check_model_name(name)}/"


def version_prefix(name: str, version: Version) -> str:
    """Key prefix of one version, with a trailing slash: `models/churn/v1.0.0/`."""
    return f"{model_prefix(name)}v{version}/"


def user_prefix(user_id: str) -> str:
    """Key prefix of what is kept about one user, with a trailing slash: `artifacts/users/ann%40example%2Ecom/`.

    Whatever has a meaning in a path or an address is written as percent and two hexadecimal digits.
    """
    return f"{USERS_PREFIX}{quote(user_id, safe='').replace('.', '%2E')}/"


def version_of_prefix(name: str, prefix: str) -> Version | None:
    """The version a listed prefix names, or None where the prefix is not a version of this model."""
    head = model_prefix(name)
    tail = prefix.removeprefix(head).removesuffix("/")
    if not prefix.startswith(head) or not tail.startswith("v"):
        return None
    try:
        return Version.parse(tail)
    except InvalidName:
        return None
