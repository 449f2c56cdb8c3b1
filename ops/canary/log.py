"""The service's log: one JSON object a line on standard output, always with the same fields.

An exception is told by its class, its place and, for AWS, its code, never by its message: that may quote an address.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec
from botocore.exceptions import ClientError

from ops.aws_errors import code_of

SERVICE = "canary-controller"
LEVELS = ("debug", "info", "warning", "error")

# Libraries that at lower levels log what passes through them.
_QUIET = ("boto3", "botocore", "urllib3")


class JsonLines(logging.Formatter):
    """Formats a record; `extra` may hold `deployment` and `model_version`."""

    def __init__(self, pod: str) -> None:
        super().__init__()
        self._pod = pod

    def format(self, record: logging.LogRecord) -> str:
        given = record.__dict__
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": SERVICE,
            "pod": self._pod,
            "message": record.getMessage(),
            "deployment": given.get("deployment"),
            "model_version": given.get("model_version"),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = told(record.exc_info[1])
        return msgspec.json.encode(line).decode()


def configure(level: str, pod: str, stream: TextIO = sys.stdout) -> None:
    """Send every logger's records at `level` and above to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(pod))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def told(error: BaseException) -> list[str]:
    """Class, AWS' code where there is one, and where it was raised."""
    code = [f"{code_of(error)} on {error.operation_name}"] if isinstance(error, ClientError) else []
    frames = traceback.extract_tb(error.__traceback__)
    return [
        type(error).__name__,
        *code,
        *(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames),
    ]
