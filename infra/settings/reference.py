"""Writes the settings reference (a table) and the JSON Schema of `Pulumi.<stack>.yaml`, both from the model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from infra.settings.load import NAMESPACE
from infra.settings.model import Environment, Settings
from infra.settings.sections import Section

Defaults = Callable[[Environment], Mapping[str, object]]

_REQUIRED = "(required)"
_UNSET = object()


def leaves(
    section: type[Section] = Settings, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every single setting with its path, in the order of the model."""
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from leaves(inner, (*path, name))
        else:
            yield (*path, name), field


def table(defaults: Defaults) -> str:
    """The reference as Markdown: each key, what it means, its default and what each environment makes of it."""
    lines = [
        "# Settings",
        "",
        "Generated from `infra/settings` and `stacks/environments.py` by `make reference`; do not edit.",
        "",
        f"Every key stands under `config:` in `Pulumi.<stack>.yaml` as `{NAMESPACE}<key>`; a dot leads into an object.",
        "An environment's column is empty where it keeps the default.",
        "",
        "| key | meaning | default | " + " | ".join(Environment) + " |",
        "|---|---|---|" + "---|" * len(Environment),
    ]
    changed = {environment: defaults(environment) for environment in Environment}
    for path, field in leaves():
        cells = [_shown(_lookup(changed[environment], path)) for environment in Environment]
        meaning = (field.description or "").replace("\n", " ").replace("|", "\\|")
        lines.append(f"| `{'.'.join(path)}` | {meaning} | {_default(field)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def schema() -> str:
    """The JSON Schema (draft 2020-12) of a stack's file, for editors to complete and check."""
    document = Settings.model_json_schema()
    definitions = document.pop("$defs", {})
    # Objects in a stack's file hold only what differs from the environment's defaults.
    config: dict[str, Any] = {f"{NAMESPACE}{key}": value for key, value in document["properties"].items()}
    stack_file = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ServeML stack file",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": config,
                "required": [f"{NAMESPACE}environment", f"{NAMESPACE}domain"],
                "patternProperties": {f"^(?!{NAMESPACE})[a-z-]+:": True},
                "additionalProperties": False,
            },
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "secretsprovider": {"type": "string"},
        },
        "$defs": definitions,
    }
    return json.dumps(stack_file, indent=2) + "\n"


def _lookup(defaults: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = defaults.get(path[0], _UNSET)
    for part in path[1:]:
        if not isinstance(value, BaseModel) or part not in value.model_fields_set:
            return _UNSET
        value = getattr(value, part)
    return value


def _default(field: FieldInfo) -> str:
    return _REQUIRED if field.is_required() else _shown(cast(object, field.get_default(call_default_factory=True)))


def _shown(value: object) -> str:
    if value is _UNSET or value is PydanticUndefined:
        return ""
    plain = to_jsonable_python(value)
    if plain is None:
        return "none"
    return "`" + (plain if isinstance(plain, str) else json.dumps(plain)) + "`"
