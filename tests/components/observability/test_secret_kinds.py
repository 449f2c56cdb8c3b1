"""The kinds of External Secrets as they are defined here: narrow, and such as the API server takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import jsonschema
import pytest

from components.observability import secret_kinds, secrets_operator
from components.observability.synchronised_secrets import grafana_copy, serving_copy
from components.workload.labels import Manifest
from infra.naming import Names

NAMES = Names("serveml", "test", "eu-west-1")
COPIES = [serving_copy(NAMES), grafana_copy(NAMES)]
DEFINITIONS = secret_kinds.definitions()


def schema_of(kind: str) -> dict[str, Any]:
    [found] = [each for each in DEFINITIONS if each["spec"]["names"]["kind"] == kind]
    [version] = found["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def closed(schema: Any) -> Any:
    """With every object refusing what it does not know: the API server would drop it in silence."""
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in cast(dict[str, Any], schema).items()}
    if "properties" in inner:
        inner["properties"] = {name: closed(value) for name, value in inner["properties"].items()}
        inner["additionalProperties"] = False
    return inner


def objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for value in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from objects(value)


def problems(manifest: Manifest) -> list[str]:
    validator = jsonschema.Draft202012Validator(closed(schema_of(manifest["kind"])))
    return [error.message for error in validator.iter_errors(manifest)]


@pytest.mark.parametrize("copy", COPIES, ids=lambda copy: copy.secret)
def test_every_resource_is_what_its_definition_allows(copy: secrets_operator.Copy) -> None:
    for manifest in secrets_operator.resources(copy, "eu-west-1"):
        assert problems(manifest) == []


@pytest.mark.parametrize(
    "provider",
    [
        {"webhook": {"url": "https://elsewhere.example"}},
        {"aws": {"service": "ParameterStore", "region": "eu-west-1"}},
        {"aws": {"service": "SecretsManager", "region": "eu-west-1", "role": "arn:aws:iam::123456789012:role/other"}},
    ],
)
def test_a_store_of_anything_else_is_none(provider: dict[str, Any]) -> None:
    manifest = secrets_operator.store("ml-system", "eu-west-1")
    manifest["spec"]["provider"] = provider
    assert problems(manifest)


def test_each_kind_has_one_version_that_is_stored_so_that_nothing_is_converted() -> None:
    for definition in DEFINITIONS:
        [version] = definition["spec"]["versions"]
        assert version["served"]
        assert version["storage"]
        assert "conversion" not in definition["spec"]
        # The controller writes the state by itself, apart from what was asked for.
        assert version["subresources"] == {"status": {}}


def test_names_are_those_that_the_api_server_builds_addresses_of() -> None:
    for definition in DEFINITIONS:
        spec = definition["spec"]
        assert definition["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
        assert spec["names"]["plural"] == spec["names"]["kind"].lower() + "s"


def test_every_field_has_a_type_or_is_kept_as_it_is() -> None:
    for definition in DEFINITIONS:
        for schema in objects(schema_of(definition["spec"]["names"]["kind"])):
            assert "type" in schema or schema.get("x-kubernetes-preserve-unknown-fields")


def test_what_the_controller_writes_back_is_kept() -> None:
    status = schema_of("ExternalSecret")["properties"]["status"]["properties"]
    assert {"refreshTime", "syncedResourceVersion", "conditions", "binding"} <= status.keys()
    status = schema_of("SecretStore")["properties"]["status"]["properties"]
    assert {"conditions", "capabilities"} <= status.keys()
