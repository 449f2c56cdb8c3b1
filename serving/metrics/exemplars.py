"""Exemplars in shared memory: for each bucket the last sampled trace that fell into it.

One is several words, which another process may read while they are written; its checksum tells a whole one.
"""

from __future__ import annotations

import struct
import time
import zlib

from prometheus_client.samples import Exemplar

from serving.metrics.memory import WORD_BYTES, MetricsMemory

TRACE_ID_LABEL = "trace_id"

# Trace id, value, time of the request in seconds since 1970; then the checksum of these.
_BODY = struct.Struct("@16s2d")
_CHECKSUM = struct.Struct("@Q")
EXEMPLAR_WORDS = (_BODY.size + _CHECKSUM.size) // WORD_BYTES


def write(memory: MetricsMemory, start: int, trace_id: str, value: float) -> None:
    """`trace_id`: 32 hexadecimal digits."""
    body = _BODY.pack(bytes.fromhex(trace_id), value, time.time())
    at = start * WORD_BYTES
    memory.octets[at : at + _BODY.size + _CHECKSUM.size] = body + _CHECKSUM.pack(zlib.crc32(body))


def read(memory: MetricsMemory, start: int) -> Exemplar | None:
    """None where none was ever written, or where one is half written."""
    at = start * WORD_BYTES
    body = bytes(memory.octets[at : at + _BODY.size])
    if memory.integers[start + EXEMPLAR_WORDS - 1] != zlib.crc32(body):
        return None
    trace_id, value, seconds = _BODY.unpack(body)
    return Exemplar({TRACE_ID_LABEL: trace_id.hex()}, value, seconds)


def newest(first: Exemplar | None, second: Exemplar | None) -> Exemplar | None:
    if first is None or second is None:
        return first or second
    return max(first, second, key=lambda exemplar: float(exemplar.timestamp or 0))
