"""The `entities` of a request: for each join key an array with a value for each row, as Feast's feature server has it.

{"entities": {"customer_id": [17, 42], "shop_id": ["a", "b"]}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from contract.features import Features
from serving.features.keys import EntityValue
from serving.messages import Refused

ENTITIES = "entities"

Entities = Mapping[str, Sequence[EntityValue]]
"""Values by join key, all of the same length, one or more."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {
    "STRING": msgspec.json.Decoder(list[str]),
    "INT32": msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]]),
    "INT64": msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]]),
}
_INDEX = re.compile(r" - at `\$(\[\d+\])`$")


def read_entities(raw: bytes | msgspec.Raw, features: Features, max_rows: int) -> Entities:
    """Decode and check the value of `entities`; raise Refused with the field at fault and without any value."""
    columns = _columns(raw)
    known = {entity.join_key: entity.value_type for entity in features.entities}
    if not columns.keys() <= known.keys():
        raise _refused("unknown_field", f"entities may hold {', '.join(known)} and nothing else", ENTITIES)
    for join_key in known:
        if join_key not in columns:
            raise _refused("missing_field", f"entities has no {join_key}, which the model's features need", join_key)
    entities = {join_key: _values(columns[join_key], join_key, known[join_key]) for join_key in known}
    _check_lengths(entities, max_rows)
    return entities


def field(join_key: str, row: int) -> str:
    """How an error names one value."""
    return f"{ENTITIES}.{join_key}[{row}]"


def _columns(raw: bytes | msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    try:
        return _OBJECT.decode(raw)
    except msgspec.ValidationError:
        raise _refused("wrong_type", "entities must be an object of join keys and arrays of their values") from None
    except (ValueError, RecursionError):
        raise _malformed() from None


def _values(raw: msgspec.Raw, join_key: str, value_type: str) -> list[EntityValue]:
    try:
        return _DECODERS[value_type].decode(raw)
    except msgspec.ValidationError as error:
        index = _INDEX.search(str(error))
        raise _refused(
            "wrong_type",
            f"{ENTITIES}.{join_key} must be an array of {value_type} values, one for each row",
            join_key + (index[1] if index else ""),
        ) from None
    except (ValueError, RecursionError):
        raise _malformed() from None


def _check_lengths(entities: Entities, max_rows: int) -> None:
    first, rows = next((join_key, len(values)) for join_key, values in entities.items())
    for join_key, values in entities.items():
        if len(values) != rows:
            raise _refused(
                "wrong_length",
                f"{ENTITIES}.{join_key} has {len(values)} values and {first} has {rows}: give one for each row",
                join_key,
            )
    if not rows:
        raise _refused("empty", f"{ENTITIES}.{first} is empty: name at least one row", first)
    if rows > max_rows:
        raise _refused("too_many_rows", f"entities has {rows} rows, at most {max_rows} are allowed", first)


def _refused(code: str, message: str, path: str = "") -> Refused:
    field = f"{ENTITIES}.{path}" if path and path != ENTITIES else ENTITIES
    return Refused(HTTPStatus.BAD_REQUEST, code, message, field=field)


def _malformed() -> Refused:
    # The parser's message may quote the body.
    return _refused("invalid_json", "entities is not JSON in UTF-8; NaN and Infinity are not JSON")
