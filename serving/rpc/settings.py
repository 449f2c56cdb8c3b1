"""On which port gRPC is served, or that it is not."""

from __future__ import annotations

from contract import service
from serving.reader import Reader, whole

OFF = "off"
LARGEST_PORT = 65_535


def read(reader: Reader) -> int | None:
    """The port, where 0 is any free one; None for none."""
    return reader.text(service.ENV_GRPC_PORT, _port, str(service.GRPC_PORT))


def _port(value: str) -> int | None:
    if value == OFF:
        return None
    port = whole(value, LARGEST_PORT)
    if port is None:
        raise ValueError(f"{value!r:.40} is no port: a number from 0 to {LARGEST_PORT}, or {OFF}, is allowed")
    return port
