"""The key of an entity as Feast writes it: `entity_id`, the hash of its serialised entity key.

Of Feast's `serialize_entity_key` this is version 3, the default since Feast 0.38 and the only one that it still
writes. All numbers are little-endian; join keys are in order, and the values in the order of their join keys:

    count of join keys, then for each: STRING, length, its name, then for each: type of value, length, value
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

import mmh3

EntityValue = int | str

# Of Feast's `ValueType.Enum`.
_STRING, _INT32, _INT64 = 2, 3, 4

_word = struct.Struct("<I").pack
_two_words = struct.Struct("<II").pack
_int32 = struct.Struct("<IIi").pack
_int64 = struct.Struct("<IIq").pack


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _two_words(_STRING, len(encoded)) + encoded


def _int32_value(value: int) -> bytes:
    return _int32(_INT32, 4, value)


def _int64_value(value: int) -> bytes:
    return _int64(_INT64, 8, value)


_SERIALISERS: Mapping[str, Callable[..., bytes]] = {
    "STRING": _text,
    "INT32": _int32_value,
    "INT64": _int64_value,
}


class EntityIds:
    """Makes the ids of one set of join keys, of which `value_types` has the type of each."""

    def __init__(self, join_keys: Sequence[str], value_types: Mapping[str, str]) -> None:
        self.join_keys = tuple(sorted(join_keys))
        self._prefix = _word(len(self.join_keys)) + b"".join(_text(join_key) for join_key in self.join_keys)
        self._serialisers = tuple(_SERIALISERS[value_types[join_key]] for join_key in self.join_keys)

    def of(self, entities: Mapping[str, Sequence[EntityValue]]) -> list[str]:
        """The id of each row."""
        columns = (
            map(serialise, entities[join_key])
            for join_key, serialise in zip(self.join_keys, self._serialisers, strict=True)
        )
        return [self._id(values) for values in zip(*columns, strict=True)]

    def _id(self, values: Iterable[bytes]) -> str:
        return mmh3.hash_bytes(self._prefix + b"".join(values)).hex()
