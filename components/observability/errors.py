"""The one error of these modules."""

from __future__ import annotations

from infra.errors import InvalidInput


class InvalidObservability(InvalidInput):
    """A value with which monitoring could not work; the message says what was given and what is allowed."""
