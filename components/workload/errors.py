"""The error of a workload that must not be deployed as it was asked for."""

from __future__ import annotations

from infra.errors import InvalidInput


class InvalidWorkload(InvalidInput):
    """An argument that Kubernetes or this platform refuses: says what was given, what is allowed and what to do."""
