"""A stored feature, which is one of Feast's protobuf messages `feast.types.Value`, as a value of the model's input.

The message holds one field of a `oneof`, so it is read by hand: a message descriptor and the protobuf runtime would
cost more than this at every start. Of its types those are read that a single number, truth or text can have.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Literal

import numpy as np

from contract.features import Value
from serving.model import NUMPY_TYPES


class Lack(Enum):
    """Why there is no value."""

    MISSING = "missing"
    UNREADABLE = "unreadable"


MISSING: Final = Lack.MISSING
"""The store has no value, or holds Feast's null: an unset message, `null_val`, or a float that is NaN."""
UNREADABLE: Final = Lack.UNREADABLE
"""What the store holds is no value that the input takes."""

# A field's tag: its number in Feast's Value.proto, and the wire type of the protobuf encoding.
_STRING = 2 << 3 | 2
_INT32, _INT64, _BOOL, _UNIX_TIMESTAMP = (number << 3 for number in (3, 4, 7, 8))
_DOUBLE = 5 << 3 | 1
_FLOAT = 6 << 3 | 5
# `null_val` is field 19 and its only value 0.
_NULL = bytes((19 << 3 & 0x7F | 0x80, 19 >> 4, 0))

_double = struct.Struct("<d").unpack_from
_float = struct.Struct("<f").unpack_from
_LONGEST_VARINT = 10

Found = Value | Literal[Lack.MISSING, Lack.UNREADABLE]
Fit = Callable[[Value], "Value | None"]


def read(message: bytes) -> Found:
    """The value in a message, whatever its bytes are."""
    if not message or message == _NULL:
        return MISSING
    tag = message[0]
    if tag == _DOUBLE:
        return _number(_double(message, 1)[0]) if len(message) == 9 else UNREADABLE
    if tag == _FLOAT:
        return _number(_float(message, 1)[0]) if len(message) == 5 else UNREADABLE
    if tag == _STRING:
        return _text(message)
    if tag in (_INT32, _INT64, _UNIX_TIMESTAMP, _BOOL):
        return _integer(message, tag)
    return UNREADABLE


def fit(datatype: str) -> Fit:
    """What makes a stored value one of an input of this datatype, or None where it does not fit exactly in kind and
    range; a float is rounded to the input's precision later."""
    dtype: np.dtype[Any] = np.dtype(NUMPY_TYPES[datatype])
    if dtype.kind == "f":
        largest = float(np.finfo(dtype).max)
        return lambda value: _as_float(value, largest)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.name)
        least, most = int(limits.min), int(limits.max)
        return lambda value: _as_integer(value, least, most)
    kind = _KINDS[dtype.kind]
    return lambda value: value if isinstance(value, kind) else None


_KINDS: Mapping[str, type[bool] | type[str]] = {"b": bool, "O": str}


def _number(value: float) -> Found:
    return MISSING if math.isnan(value) else value


def _text(message: bytes) -> Found:
    length, start = _varint(message)
    if length < 0 or len(message) - start != length:
        return UNREADABLE
    try:
        return message[start:].decode()
    except UnicodeDecodeError:
        return UNREADABLE


def _integer(message: bytes, tag: int) -> Found:
    value, end = _varint(message)
    if value < 0 or end != len(message):
        return UNREADABLE
    if tag == _BOOL:
        return bool(value) if value <= 1 else UNREADABLE
    # Negative numbers are written as the 64 bits of their two's complement.
    signed = value - 2**64 if value >= 2**63 else value
    return UNREADABLE if tag == _INT32 and not -(2**31) <= signed < 2**31 else signed


def _varint(message: bytes) -> tuple[int, int]:
    """The base-128 number after the tag and where it ends, or -1 where there is none of 64 bits."""
    value = 0
    for at in range(1, min(len(message), _LONGEST_VARINT + 1)):
        byte = message[at]
        value |= (byte & 0x7F) << 7 * (at - 1)
        if byte < 0x80:
            return (value, at + 1) if value < 2**64 else (-1, 0)
    return -1, 0


def _as_float(value: Value, largest: float) -> float | None:
    if isinstance(value, str):
        return None
    number = float(value)
    return number if -largest <= number <= largest else None


def _as_integer(value: Value, least: int, most: int) -> int | None:
    if isinstance(value, float | str):
        return None
    return int(value) if least <= value <= most else None
