"""One JSON object a line on standard output, always with the same fields.

An exception is logged by its class and where it was raised, never by its message, which may quote what a client sent.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec

from contract.service import SERVICE_NAME

# Libraries that at lower levels log what passes through them, or their own start and stop.
_QUIET = ("asyncio", "boto3", "botocore", "s3transfer", "urllib3", "uvicorn")


class JsonLines(logging.Formatter):
    """Formats a record; `extra` may hold `request_id`, `trace_id`, `duration_ms` and `model_version`."""

    def __init__(self, pod: str) -> None:
        super().__init__()
        self._pod = pod

    def format(self, record: logging.LogRecord) -> str:
        given = record.__dict__
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": SERVICE_NAME,
            "pod": self._pod,
            "trace_id": given.get("trace_id"),
            "request_id": given.get("request_id"),
            "message": record.getMessage(),
            "duration_ms": given.get("duration_ms"),
            "model_version": given.get("model_version"),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _places(record.exc_info[1])
        return msgspec.json.encode(line).decode()


class _Output(logging.StreamHandler[TextIO]):
    """The one handler that `configure` sets."""


def configure(level: str, pod: str, stream: TextIO = sys.stdout) -> None:
    """Send every logger's records at `level` and above to `stream`."""
    handler = _Output(stream)
    handler.setFormatter(JsonLines(pod))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def write_lines(text: str) -> None:
    """Write whole lines to where the records go, none torn by another thread's."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Output):
            handler.acquire()
            try:
                handler.stream.write(text)
                handler.flush()
            finally:
                handler.release()


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [type(error).__name__, *(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)]
