"""The one error of these modules."""

from __future__ import annotations

from infra.errors import InvalidInput


class InvalidController(InvalidInput):
    """A value with which no canary would be driven; the message says what was given and what is allowed."""
