"""Turns the provider's inputs (camelCase) into the arguments of AWS's own calls, by the model that boto3 carries.

Names are matched without regard to case and plural, and the forms in which the two differ by habit (maps of tags,
lists of one, CloudFront's quantities) are converted by the shape that AWS expects. An input that no member
takes is an error, so that nothing the program says is dropped unseen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from localcloud.account.clients import Client
from localcloud.recorder import Registration

Shape = Any
"""A botocore model shape: it has `type_name`, and `members`, `member` or `value` according to it."""

Renamed = Mapping[str, str]
"""Names that differ by more than case and plural: the provider's to AWS's, at any depth."""

NO_NAMES: Renamed = {}


class Refused(ValueError):
    """What AWS or the local account does not accept; the message is one clear sentence."""


class Untranslated(Refused):
    """An input of the program that the local account does not know how to hand to AWS."""


def send(client: Client, method: str, values: Mapping[str, Any], renamed: Renamed = NO_NAMES) -> dict[str, Any]:
    """Call `client.method` with `values`, given in the provider's names."""
    return getattr(client, method)(**arguments(client, method, values, renamed))


def arguments(client: Client, method: str, values: Mapping[str, Any], renamed: Renamed = NO_NAMES) -> dict[str, Any]:
    """The keyword arguments of `client.method` for `values`; Untranslated if one has no place there."""
    operation = client.meta.method_to_api_mapping[method]
    shape = client.meta.service_model.operation_model(operation).input_shape
    return _structure(shape, values, renamed, operation)


def inputs(registration: Registration, *without: str) -> dict[str, Any]:
    """The inputs less those named, and less what is the provider's own: where to call, and the merged tags."""
    dropped = {"region", "tagsAll", "timeouts", *without}
    return {key: value for key, value in registration.inputs.items() if key not in dropped}


def as_json(value: Any) -> str:
    """A document as the provider sends it: text stays as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def _convert(shape: Shape, value: Any, renamed: Renamed, path: str) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(shape, value, renamed, path)
        case "list":
            return _list(shape, value, renamed, path)
        case "map":
            return {key: _convert(shape.value, item, renamed, path) for key, item in value.items()}
        case "string":
            return _text(value)
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "blob":
            return value.encode() if isinstance(value, str) else value
        case _:
            return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _structure(shape: Shape, value: Any, renamed: Renamed, path: str) -> dict[str, Any]:
    counted = {"Quantity", "Items"} <= set(shape.members)
    if isinstance(value, list):
        items = cast(list[Any], value)
        if counted:
            value = {"Items": items}
        elif len(items) == 1:
            # Terraform's blocks of at most one arrive as lists.
            value = items[0]
        else:
            raise Untranslated(f"{path}: AWS takes one of these, {len(items)} were given")
    result: dict[str, Any] = {}
    for key, item in cast(Mapping[str, Any], value).items():
        if item is None:
            continue
        member = _member(shape, key, renamed, path)
        if item == [] and shape.members[member].metadata.get("min", 0) > 0:
            # The program's "none" is AWS's "not given".
            continue
        result[member] = _convert(shape.members[member], item, renamed, f"{path}.{member}")
    if counted:
        result.setdefault("Quantity", len(result.get("Items", [])))
    return result


def _list(shape: Shape, value: Any, renamed: Renamed, path: str) -> list[Any]:
    if isinstance(value, Mapping):
        pair = _key_and_value(shape.member)
        single = cast(Mapping[str, Any], value)
        if pair is None:
            return [_convert(shape.member, single, renamed, path)]
        return [{pair[0]: key, pair[1]: _text(item)} for key, item in single.items()]
    if not isinstance(value, list):
        raise Untranslated(f"{path}: AWS takes a list, {type(value).__name__} was given")
    return [_convert(shape.member, item, renamed, path) for item in cast(list[Any], value)]


def _key_and_value(shape: Shape) -> tuple[str, str] | None:
    """The two members of a shape that stands for an entry of a map (a tag, a dimension), or None."""
    if shape.type_name != "structure" or len(shape.members) != 2:
        return None
    key, value = shape.members
    return (key, value) if key.endswith(("Key", "Name")) and value.endswith("Value") else None


def _member(shape: Shape, key: str, renamed: Renamed, path: str) -> str:
    if renamed.get(key) in shape.members:
        return renamed[key]
    by_name = {member.casefold(): member for member in shape.members}
    folded = key.casefold()
    for candidate in (folded, folded + "s", folded.removesuffix("s"), folded.removesuffix("ies") + "y"):
        if candidate in by_name:
            return by_name[candidate]
    raise Untranslated(
        f"{path} has no member for the input {key!r}: AWS takes {', '.join(sorted(shape.members))}; "
        "translate it in the module of the service"
    )
