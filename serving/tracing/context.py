"""W3C Trace Context, levels 1 and 2: what a caller says of the trace that its request belongs to.

A malformed `traceparent` is as good as none. A malformed `tracestate` is dropped, and the trace goes on.
"""

from __future__ import annotations

import re
from typing import NamedTuple

TRACEPARENT = b"traceparent"
TRACESTATE = b"tracestate"
TRACERESPONSE = b"traceresponse"
SAMPLED = 0x01
RANDOM = 0x02
"""Level 2: the trace id's last seven bytes are random. The other six flags have no meaning yet."""

MAX_STATE_BYTES = 512
"""What must be passed on at least; a longer list is dropped."""
MAX_STATE_MEMBERS = 32

# Version ff is not allowed, nor are ids of zeros. Version 00 ends with its flags; later ones may go on after a hyphen.
_PARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
)
_MEMBER = re.compile(
    rb"([a-z0-9][a-z0-9_*/@-]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class Parent(NamedTuple):
    """The caller's span."""

    trace_id: bytes
    """32 hexadecimal digits, as it came."""
    span_id: bytes
    """16 hexadecimal digits."""
    flags: int


def parse(traceparent: bytes) -> Parent | None:
    """What the header says, or None where it is malformed and so starts no trace and continues none."""
    match = _PARENT.fullmatch(traceparent)
    if match is None or (match[4] is not None and traceparent.startswith(b"00")):
        return None
    return Parent(match[1], match[2], int(match[3], 16))


def passed_on(tracestate: bytes) -> bytes:
    """The vendors' list to hand to the next service, or nothing where it is malformed, too long or empty."""
    if len(tracestate) > MAX_STATE_BYTES:
        return b""
    members = [member for part in tracestate.split(b",") if (member := part.strip(b" \t"))]
    matches = [_MEMBER.fullmatch(member) for member in members]
    keys = {match[1] for match in matches if match is not None}
    # A member that is malformed has no key, and one that comes twice has that of another.
    if len(keys) != len(members) or len(members) > MAX_STATE_MEMBERS:
        return b""
    return b",".join(members)
