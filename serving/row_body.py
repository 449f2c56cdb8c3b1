"""The body of `POST /predict` as msgspec types, and what msgspec says of a body in this API's own words."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

import msgspec

from serving.features.entities import ENTITIES
from serving.messages import Refused

INSTANCES = "instances"

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = "Object missing required field `"


class InvalidRequest(Refused):
    """A body that is not what the model takes. Neither code nor message quotes a value."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, code, message, field=field)


def body_type(row: Any, *, entities: bool) -> type[msgspec.Struct]:
    """A body with `instances` of that type and, where they are allowed, raw `entities`; each may be left out."""
    fields: list[tuple[str, Any, Any]] = [(INSTANCES, list[row] | msgspec.UnsetType, msgspec.UNSET)]
    if entities:
        fields.append((ENTITIES, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct("Body", fields, forbid_unknown_fields=True, gc=False)


def object_type(names: Sequence[str], types: Sequence[Any]) -> type[msgspec.Struct]:
    """A row written as an object that holds each of the names once; its fields come in their order."""
    fields = {f"at{index}": name for index, name in enumerate(names)}
    return msgspec.defstruct(
        "Row", list(zip(fields, types, strict=True)), rename=fields, forbid_unknown_fields=True, gc=False
    )


def refuse_repeated_names(body: bytes) -> None:
    """Raise InvalidRequest where an object of a body that was decoded as one of these types has a name twice."""
    # Lengths in place of numbers: only names matter, and a number of thousands of digits takes long to convert.
    document = cast(
        list[tuple[str, list[list[tuple[str, Any]]]]],
        json.loads(body, object_pairs_hook=list, parse_int=len, parse_float=len),
    )
    if len(document) > 1:
        raise InvalidRequest("repeated_field", f'the body has "{INSTANCES}" more than once', INSTANCES)
    for index, row in enumerate(document[0][1]):
        name, times = Counter(name for name, _ in row).most_common(1)[0]
        if times > 1:
            # One of the model's own names: the decoder lets no other through.
            field = f"{INSTANCES}[{index}].{name}"
            raise InvalidRequest("repeated_field", f"{field} is given {times} times", field)


def fault_of(error: msgspec.ValidationError, allowed: str) -> InvalidRequest:
    """Turn msgspec's message ("Expected `float`, got `str` - at `$.instances[3][7]`") into an error with its field.

    `allowed` says what a body may hold.
    """
    message = str(error)
    found = _PATH.search(message)
    said = message[: found.start()] if found else message
    path = found[1] if found else None
    if said.endswith("out of range") and path:
        return InvalidRequest("out_of_range", f"{path} is a number beyond 64 bits", path)
    if said.startswith("Object contains unknown field"):
        # Its name is the client's own text.
        if path is None:
            return InvalidRequest("unknown_field", f"the body may hold {allowed} and nothing else")
        return InvalidRequest("unknown_field", f"{path} has a name that is none of the model's", path)
    if said.startswith(_MISSING):
        field = f"{path}.{said.removeprefix(_MISSING)[:-1]}"
        return InvalidRequest("missing_field", f"{field} is missing: give every name that the model has", field)
    return InvalidRequest("wrong_type", said.replace("`", ""), path)


def no_json() -> InvalidRequest:
    """Malformed JSON, bad UTF-8, an integer of thousands of digits: the parser's message may quote the body."""
    return InvalidRequest("invalid_json", "the body is not a JSON document in UTF-8; NaN and Infinity are not JSON")
