"""The OpenAPI document against the service that it describes: its routes, examples, answers and credentials."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from contract import access
from ops.demo_model import DemoModel
from serving.docs.document import Document
from tests.serving.conftest import Publish, StartContainer
from tests.serving.oip_versions import Echo, Loaded, metadata_of, spec
from tests.serving.openapi import JSON, TERMS, fits, operations, resolved
from tests.serving.process import Answer, Container
from tests.serving.test_predict import BAD_BODIES


@pytest.fixture(scope="module")
def described(served: Container) -> dict[str, Any]:
    answer = served.call("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    return answer.json


def answered(described: Mapping[str, Any], operation: Any, answer: Answer) -> None:
    """Assert that the document has this answer."""
    response = resolved(described, operation["responses"][str(answer.status)])
    assert fits(described, response["content"][JSON]["schema"], answer.json)
    for name, header in response["headers"].items():
        assert name.lower() in answer.headers or not resolved(described, header).get("required")


def test_the_document_has_every_path_and_method_of_the_router_and_no_other(
    served: Container, described: dict[str, Any]
) -> None:
    nowhere = served.call("GET", "/nowhere").json["error"]["message"]
    routed = set(nowhere.partition(": try ")[2].split(", "))
    templates = {path for path in described["paths"] if "breast-cancer" not in path}
    assert templates == routed
    # Those of the loaded version stand beside the ones for any model.
    assert set(described["paths"]) - templates == {
        "/v2/models/breast-cancer/infer",
        "/v2/models/breast-cancer/versions/1.0.0/infer",
    }
    for path, item in described["paths"].items():
        allowed = served.call("DELETE", path.format(name="breast-cancer", version="1.0.0")).headers["allow"]
        assert {method.lower() for method in allowed.split(", ")} - {"head"} == {"get", "post"} & set(item), path


def test_the_document_is_whole(described: dict[str, Any]) -> None:
    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                assert resolved(described, part)
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(described)
    assert described["openapi"].startswith("3.1.")
    for schema in described["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(ids)) == len(ids)
    for path, _, operation in operations(described):
        parameters = [*described["paths"][path].get("parameters", []), *operation["parameters"]]
        in_path = {p["name"] for p in (resolved(described, p) for p in parameters) if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))


def test_every_example_is_answered_as_the_document_says(served: Container, described: dict[str, Any]) -> None:
    tried = 0
    for path, _, operation in operations(described):
        media = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
        for example in media.get("examples", {}).values():
            assert fits(described, media["schema"], example["value"])
            answer = served.call("POST", path, json.dumps(example["value"]), {"Content-Type": JSON})
            assert answer.status == 200
            answered(described, operation, answer)
            tried += 1
    assert tried == 4  # rows and named columns for /predict, tensors for each of two paths
    predicted = described["paths"]["/predict"]["post"]["responses"]["200"]["content"][JSON]
    assert fits(described, predicted["schema"], predicted["examples"]["predictions"]["value"])


@pytest.mark.parametrize("body", [body for body, _, _ in BAD_BODIES.values()], ids=BAD_BODIES.keys())
def test_what_predict_refuses_does_not_fit_the_document_and_the_refusal_does(
    served: Container, described: dict[str, Any], body: Any
) -> None:
    operation = described["paths"]["/predict"]["post"]
    answered(described, operation, served.predict(body))
    try:
        value = msgspec.json.decode(body) if isinstance(body, bytes) else body
    except (ValueError, RecursionError):
        return  # no JSON at all
    assert not fits(described, operation["requestBody"]["content"][JSON]["schema"], value)


def test_predict_is_described_by_the_columns_and_limits_of_the_default_model(
    described: dict[str, Any], first: DemoModel
) -> None:
    schema = described["paths"]["/predict"]["post"]["requestBody"]["content"][JSON]["schema"]
    lists, objects = schema["properties"]["instances"]["anyOf"]
    assert (lists["minItems"], lists["maxItems"]) == (objects["minItems"], objects["maxItems"]) == (1, 120)
    assert (lists["items"]["minItems"], lists["items"]["maxItems"]) == (30, 30)
    assert tuple(objects["items"]["required"]) == first.metadata.feature_names


def test_other_errors_are_answered_as_the_document_says(served: Container, described: dict[str, Any]) -> None:
    paths = described["paths"]
    for method, path, template, headers, status in (
        ("POST", "/predict", "/predict", {"Content-Type": "text/csv"}, 415),
        ("POST", "/v2/models/other/infer", "/v2/models/{name}/infer", {}, 404),
        ("POST", "/v2/models/breast-cancer/infer", "/v2/models/breast-cancer/infer", {}, 400),
        ("GET", "/v2/models/other", "/v2/models/{name}", {}, 404),
        (
            "POST",
            "/v2/repository/models/breast-cancer/versions/1.0.0/unload",
            "/v2/repository/models/{name}/versions/{version}/unload",
            {},
            409,
        ),
        ("GET", "/health", "/health", {f"X-{number}": "1" for number in range(120)}, 431),
    ):
        answer = served.call(method, path, b"" if method == "POST" else None, headers)
        assert answer.status == status
        answered(described, paths[template][method.lower()], answer)


def test_a_path_without_the_name_of_a_model_is_no_path_of_the_document(served: Container) -> None:
    answer = served.call("POST", "/v2/models//infer", b"{}")
    assert answer.status == 404
    assert "no such path" in answer.json["error"]


def test_a_client_that_has_the_document_is_not_sent_it_again(served: Container) -> None:
    first = served.call("GET", "/openapi.json")
    again = served.call("GET", "/openapi.json", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert served.call("GET", "/openapi.json", headers={"If-None-Match": '"other"'}).body == first.body


def test_the_page_loads_nothing_but_its_own_files_and_the_browser_is_told_so(served: Container) -> None:
    page = served.call("GET", "/docs")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    types = {path: served.call("GET", f"/{path}") for path in loaded}
    assert {path: (answer.status, answer.headers["content-type"]) for path, answer in types.items()} == {
        "docs/page.css": (200, "text/css; charset=utf-8"),
        "docs/page.js": (200, "text/javascript; charset=utf-8"),
        "openapi.json": (200, JSON),
    }
    assert not re.search(r"<script>|<style|\son\w+=|style=", page.body.decode())
    assert served.call("GET", "/docs/page.py").status == 404


def test_strangers_see_the_service_and_callers_with_credentials_its_models(
    start: StartContainer, upload: Publish, first: DemoModel, tmp_path: Path
) -> None:
    text, record = access.issue(user_id="ada", scopes=("another",), now=time.time())
    keys = tmp_path / "keys.json"
    keys.write_bytes(access.render([record]))
    upload(first)
    container = start(SERVEML_AUTHENTICATION="required", SERVEML_KEYS_FILE=str(keys))
    container.wait_for_line("serving breast-cancer 1.0.0")

    stranger = container.call("GET", "/openapi.json")
    assert stranger.status == 200
    assert b"breast-cancer" not in stranger.body
    assert b"mean radius" not in stranger.body
    assert container.call("GET", "/openapi.json", headers={"X-API-Key": "wrong"}).status == 401
    caller = container.call("GET", "/openapi.json", headers={"X-API-Key": text})
    assert b"mean radius" in caller.body
    assert caller.headers["vary"] == "authorization, x-api-key"

    both = [{"bearer": []}, {"apiKey": []}]
    security = {path: operation["security"] for path, _, operation in operations(caller.json)}
    assert security["/predict"] == security["/metrics"] == security["/v2/models/{name}"] == both
    assert security["/health"] == security["/docs"] == []
    assert security["/openapi.json"] == [{}, *both]
    for headers, status in (({}, 401), ({"X-API-Key": text}, 403), ({"X-API-Key": text, "Authorization": "x"}, 400)):
        answer = container.predict({"instances": [[1.0] * 30]}, headers)
        assert answer.status == status
        answered(caller.json, caller.json["paths"]["/predict"]["post"], answer)


def test_without_authentication_the_document_knows_no_credentials(described: dict[str, Any]) -> None:
    assert "securitySchemes" not in described["components"]
    assert not any(operation["security"] for _, _, operation in operations(described))
    statuses = {status for _, _, operation in operations(described) for status in operation["responses"]}
    assert not statuses & {"401", "403", "429"}


def test_the_document_is_made_anew_when_other_versions_are_loaded_and_only_then() -> None:
    models = Loaded(Echo(metadata_of(spec("x", "FP32", -1, 2))))
    made = Document(models, TERMS)
    before = made.of_models
    assert made.of_models is before

    models.versions.append(Echo(metadata_of(spec("y", "INT8", -1, 3), version="1.1.0")))
    after = json.loads(made.of_models.body)
    assert made.of_models.etag != before.etag
    assert set(after["paths"]) >= {"/v2/models/echo/versions/1.0.0/infer", "/v2/models/echo/versions/1.1.0/infer"}
    instances = after["paths"]["/predict"]["post"]["requestBody"]["content"][JSON]["schema"]["properties"]["instances"]
    assert instances["items"]["items"] == {"type": "integer", "minimum": -128, "maximum": 127}
    del models.versions[0]
    assert "/v2/models/echo/versions/1.0.0/infer" not in json.loads(made.of_models.body)["paths"]
    assert b"echo" not in made.of_no_model.body
