"""How a value lies in a Redis that others write to as well: what is foreign, torn, misplaced or old does not come out.

A sealed value is a mark with the format's version, the end of its life as Unix milliseconds, the payload, and a digest
of all that under the name it was kept by. The digest tells damage and mix-ups, not malice: whoever may write to the
Redis can seal what they like.
"""

from __future__ import annotations

import struct
from hashlib import blake2b, sha256
from typing import NamedTuple

_MARK = b"SML1"
_HEAD = struct.Struct(">4sQ")
_DIGEST_BYTES = 16


class Unsealed(NamedTuple):
    payload: bytes
    seconds_left: float


def seal(name: bytes, payload: bytes, expires_at: float) -> bytes:
    """`expires_at` in Unix seconds."""
    content = _HEAD.pack(_MARK, int(expires_at * 1000)) + payload
    return content + _digest(name, content)


def unseal(name: bytes, sealed: object, now: float) -> Unsealed | None:
    """None for anything that `seal` did not make for this name, or whose life ended before `now`, in Unix seconds."""
    if not isinstance(sealed, bytes) or len(sealed) < _HEAD.size + _DIGEST_BYTES or not sealed.startswith(_MARK):
        return None
    content = sealed[:-_DIGEST_BYTES]
    if sealed[-_DIGEST_BYTES:] != _digest(name, content):
        return None
    seconds_left = _HEAD.unpack_from(content)[1] / 1000 - now
    return Unsealed(content[_HEAD.size :], seconds_left) if seconds_left > 0 else None


def _digest(name: bytes, content: bytes) -> bytes:
    # Names may be longer than the 64 bytes that a key of blake2b may have.
    return blake2b(content, digest_size=_DIGEST_BYTES, key=sha256(name).digest()).digest()
