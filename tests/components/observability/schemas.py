"""Checks custom resources as the API server would: against the schemas of the vendored definitions, offline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import jsonschema
import yaml

from components.observability.vendor import CRD_FOLDER, read_lock

Schema = dict[str, Any]


def problems(manifest: Mapping[str, Any]) -> list[str]:
    """What the definition of the manifest's kind has against it; a field that it does not know is one of these.

    The API server drops unknown fields in silence unless asked to be strict, so a slip there would show nowhere.
    """
    validator = _validator(str(manifest["apiVersion"]), str(manifest["kind"]))
    return [
        f"{'.'.join(str(part) for part in error.absolute_path) or 'manifest'}: {error.message}"
        for error in validator.iter_errors(manifest)
    ]


@cache
def _validator(api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(_schema(api_version, kind))


def _schema(api_version: str, kind: str) -> Schema:
    group, _, version = api_version.rpartition("/")
    for line in read_lock():
        spec = yaml.load((CRD_FOLDER / line.file).read_bytes(), yaml.CSafeLoader)["spec"]
        if (spec["group"], spec["names"]["kind"]) != (group, kind):
            continue
        found = [each for each in spec["versions"] if each["name"] == version and each["served"]]
        if not found:
            raise AssertionError(f"{kind} is not served in {api_version}")
        schema = _strict(found[0]["schema"]["openAPIV3Schema"])
        required = [*schema.get("required", []), "apiVersion", "kind", "metadata"]
        return {**schema, "required": required}
    raise AssertionError(f"no vendored definition knows {kind} of {api_version}")


def _strict(schema: Any) -> Any:
    """The schema with every object closed, but where it says itself that unknown fields are kept."""
    if not isinstance(schema, dict):
        return schema
    given = cast(Schema, schema)
    strict = dict(given)
    for key in ("items", "additionalProperties", "not"):
        if key in given:
            strict[key] = _strict(given[key])
    if "properties" in given:
        strict["properties"] = {name: _strict(inner) for name, inner in given["properties"].items()}
        if "additionalProperties" not in given and not given.get("x-kubernetes-preserve-unknown-fields"):
            strict["additionalProperties"] = False
    if given.get("nullable"):
        return {"anyOf": [{"type": "null"}, strict]}
    return strict
