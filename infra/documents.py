"""The frame of IAM and resource policy documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# The policy language's current version (IAM user guide, "IAM JSON policy elements: Version").
_LANGUAGE_VERSION = "2012-10-17"


def policy(statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A policy document of these statements, in this order; their values may be Inputs."""
    return {"Version": _LANGUAGE_VERSION, "Statement": [dict(statement) for statement in statements]}
