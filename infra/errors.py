"""The base of every error that a user's value causes, so that it can be shown as one message and not as a traceback."""

from __future__ import annotations


class InvalidInput(ValueError):
    """A value that cannot be used; the text says what was given, what is allowed, and what to do."""
