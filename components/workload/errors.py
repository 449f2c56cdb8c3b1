"""The error of a workload that must not be deployed as it was asked for."""

from __future__ import annotations


class InvalidWorkload(ValueError):
    """An argument that Kubernetes or this platform refuses: says what was given, what is allowed and what to do."""
