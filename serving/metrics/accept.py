"""Which of the two formats a scraper wants, by its Accept header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

_OPENMETRICS = "application/openmetrics-text"
_TEXT = ("text/plain", "text/*")
_OPENMETRICS_VERSION = "1.0.0"
_TEXT_VERSION = "0.0.4"


def prefers_openmetrics(accept: bytes) -> bool:
    """Whether OpenMetrics 1.0 is asked for, and at least as much as the text format 0.0.4 is."""
    openmetrics = text = 0.0
    for media_range in accept.decode("latin-1").lower().split(","):
        media_type, *parameters = (part.strip() for part in media_range.split(";"))
        values = {name: value for name, _, value in (parameter.partition("=") for parameter in parameters)}
        if media_type == _OPENMETRICS and values.get("version", _OPENMETRICS_VERSION) == _OPENMETRICS_VERSION:
            openmetrics = max(openmetrics, _quality(values))
        elif media_type in _TEXT and values.get("version", _TEXT_VERSION) == _TEXT_VERSION:
            text = max(text, _quality(values))
    return openmetrics > 0 and openmetrics >= text


def _quality(values: dict[str, str]) -> float:
    try:
        return float(values.get("q", "1"))
    except ValueError:
        return 0.0
