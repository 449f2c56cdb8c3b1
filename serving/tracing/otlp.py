"""OTLP's messages for traces as protobuf's bytes, written by hand: the classes that protobuf generates take three times
as long, and requests are not answered meanwhile, since a process runs one thread's Python at a time.

The numbers are those of `opentelemetry/proto/trace/v1/trace.proto` and its like; the tests read what is written here
with the classes made of those files.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from serving.tracing.span import Kind, Span, Value

CONTENT_TYPE = "application/x-protobuf"

_VARINT = 0
_FIXED64 = 1
_LENGTH = 2
_FIXED32 = 5
# Whether the parent is in another process: that this is known, and that it is.
_REMOTE_IS_KNOWN = 0x100
_REMOTE = 0x200
_STATUS_ERROR = b"\x18\x02"
_64_BITS = (1 << 64) - 1


def request(resource: bytes, scope: bytes, spans: Iterable[bytes]) -> bytes:
    """`ExportTraceServiceRequest` with the spans of one resource and scope."""
    return _field(1, resource + _field(2, scope + b"".join(spans)))


def resource(attributes: Mapping[str, Value]) -> bytes:
    """The field of `ResourceSpans` that says who reports."""
    return _field(1, b"".join([_field(1, _key_value(name, value)) for name, value in attributes.items()]))


def scope(name: str, version: str) -> bytes:
    """The field of `ScopeSpans` that says by what means."""
    return _field(1, _field(1, name.encode()) + _field(2, version.encode()))


def span(recorded: Span) -> bytes:
    """A `Span` as the field of `ScopeSpans` that holds it. The caller's `tracestate` is left out: it is its text."""
    trace = recorded.trace
    flags = trace.flags | _REMOTE_IS_KNOWN | (_REMOTE if recorded.kind is Kind.SERVER and recorded.parent_id else 0)
    body = b"\x0a\x10%b\x12\x08%b%b%b\x39%b\x41%b\x85\x01%b%b%b" % (
        bytes.fromhex(trace.id.decode()),
        bytes.fromhex(recorded.id.decode()),
        b"\x22\x08" + bytes.fromhex(recorded.parent_id.decode()) if recorded.parent_id else b"",
        _name_and_kind(recorded.name, recorded.kind),
        (recorded.started_ns + trace.clock_offset_ns).to_bytes(8, "little"),
        (recorded.ended_ns + trace.clock_offset_ns).to_bytes(8, "little"),
        flags.to_bytes(4, "little"),
        b"".join([_attribute(name, value) for name, value in recorded.attributes.items()]),
        _STATUS if recorded.failed else b"",
    )
    return b"\x12%b%b" % (_varint(len(body)), body)


def rejected_spans(response: bytes) -> int:
    """How many spans an `ExportTraceServiceResponse` says were not taken; 0 where it cannot be read."""
    try:
        partial = _fields(response).get(1, b"")
        count = _fields(partial).get(1, 0) if isinstance(partial, bytes) else 0
    except IndexError:
        return 0
    return count if isinstance(count, int) else 0


@functools.lru_cache(maxsize=1024)
def _name_and_kind(name: str, kind: Kind) -> bytes:
    return _field(5, name.encode()) + b"\x30%c" % kind


# The same few values come again and again. Typed, or True would be written as the 1 that came before it.
@functools.lru_cache(maxsize=4096, typed=True)
def _attribute(name: str, value: Value) -> bytes:
    return _field(9, _key_value(name, value))


def _key_value(name: str, value: Value) -> bytes:
    if isinstance(value, str):
        any_value = _field(1, value.encode())
    elif isinstance(value, bool):
        any_value = b"\x10%c" % value
    else:
        any_value = b"\x18" + _varint(value & _64_BITS)
    return _field(1, name.encode()) + _field(2, any_value)


def _field(number: int, content: bytes) -> bytes:
    """A field whose content is a string, bytes or a message."""
    return b"%b%b%b" % (_varint(number << 3 | _LENGTH), _varint(len(content)), content)


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _fields(message: bytes) -> dict[int, int | bytes]:
    """The last value of each field by its number; raise IndexError where the message ends too soon."""
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            fields[tag >> 3], at = _read_varint(message, at)
            continue
        if kind == _LENGTH:
            size, at = _read_varint(message, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise IndexError
        fields[tag >> 3] = message[at : at + size]
        at += size
    return fields


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


_STATUS = _field(15, _STATUS_ERROR)
