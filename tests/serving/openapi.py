"""The OpenAPI document as its tests read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from serving.docs.document import Terms

JSON = "application/json"
TERMS = Terms(authentication=False, max_rows=4, max_body_bytes=1000)


def resolved(described: Mapping[str, Any], part: Any) -> Any:
    while "$ref" in part:
        found: Any = described
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def fits(described: Mapping[str, Any], schema: Any, value: Any) -> bool:
    whole = {**schema, "components": described["components"]}
    return jsonschema.Draft202012Validator(whole).is_valid(value)


def operations(described: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, item in described["paths"].items():
        for method in {"get", "post"} & set(item):
            yield path, method, item[method]
