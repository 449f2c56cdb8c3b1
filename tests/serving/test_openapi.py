"""The OpenAPI document against the service that it describes: its routes, bodies, examples, errors and credentials."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from contract import access
from contract.features import Entity, FeatureColumn, Features, FeatureView
from contract.metadata import DATATYPES, ModelMetadata, Sample, TensorSpec
from ops.demo_model import DemoModel
from serving.docs import inferring, predicting, refusals
from serving.docs.document import NOTHING, Document, Terms, document
from serving.messages import Refused
from serving.oip import json_codec
from serving.wire import RowFormat
from tests.serving.conftest import Publish, StartContainer
from tests.serving.oip_versions import Echo, Loaded, metadata_of, spec
from tests.serving.process import ROOT, Answer, Container
from tests.serving.test_predict import BAD_BODIES

JSON = "application/json"
TERMS = Terms(authentication=False, max_rows=4, max_body_bytes=1000)


@pytest.fixture(scope="module")
def described(served: Container) -> dict[str, Any]:
    answer = served.call("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    return answer.json


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


VALUES = {
    "BOOL": [True, False, 0, 1, "true", None],
    "BYTES": ["", "x", 1, None, ["x"]],
    "FP16": [65504, 65519, 65520, -65520, 1e39, "1", True],
    "FP32": [3.4e38, 3.4028235677973362e38, 3.4028235677973366e38, -3.5e38, None],
    "FP64": [1e308, 10**400, -(10**400), "x"],
    "UINT64": [0, -1, 2**64 - 1, 2**64, 1.5],
    "INT64": [-(2**63), -(2**63) - 1, 2**63 - 1, 2**63, 0.5],
    **{f"UINT{bits}": [0, -1, 2**bits - 1, 2**bits, 1.5] for bits in (8, 16, 32)},
    **{f"INT{bits}": [-(2 ** (bits - 1)), -(2 ** (bits - 1)) - 1, 2 ** (bits - 1)] for bits in (8, 16, 32)},
}


@pytest.mark.parametrize("datatype", DATATYPES)
def test_the_schema_takes_the_values_that_the_service_takes(datatype: str) -> None:
    metadata = metadata_of(spec("x", datatype, -1, 1))
    reader = RowFormat(metadata, max_rows=TERMS.max_rows)
    schema = jsonschema.Draft202012Validator(predicting.request(metadata, TERMS.max_rows))
    verdicts: set[bool] = set()
    for value in VALUES[datatype]:
        body = {"instances": [[value]]}
        try:
            reader.read(json.dumps(body).encode())
            taken = True
        except Refused:
            taken = False
        assert schema.is_valid(body) is taken, value
        verdicts.add(taken)
    assert verdicts == {True, False}


ROWS: list[tuple[tuple[TensorSpec, ...], Any]] = [
    ((spec("x", "INT32", -1),), [1, 2]),
    ((spec("x", "INT32", -1, -1),), [[1, 2, 3]]),
    ((spec("x", "INT32", -1, 2, 2),), [[[1, 2], [3, 4]]]),
    ((spec("x", "INT32", -1), spec("y", "BYTES", -1, 2)), [{"x": 1, "y": ["a", "b"]}]),
]


@pytest.mark.parametrize(("inputs", "rows"), ROWS)
def test_rows_of_any_shape_are_described_as_they_are_read(inputs: tuple[TensorSpec, ...], rows: Any) -> None:
    metadata = metadata_of(*inputs)
    reader = RowFormat(metadata, max_rows=TERMS.max_rows)
    schema = jsonschema.Draft202012Validator(predicting.request(metadata, TERMS.max_rows))
    examples = [example["value"]["instances"] for example in predicting.request_examples(metadata).values()]
    assert examples
    for good in [rows, *examples]:
        assert schema.is_valid({"instances": good})
        assert reader.read(json.dumps({"instances": good}).encode())
    for bad in ([], rows * 5, [rows], [None]):
        assert not schema.is_valid({"instances": bad})
        with pytest.raises(Refused):
            reader.read(json.dumps({"instances": bad}).encode())


def test_a_model_whose_features_are_looked_up_also_takes_entities() -> None:
    metadata = replace(
        metadata_of(spec("x", "FP32", -1, 1)),
        features=Features(
            project="shop",
            entities=(Entity(join_key="customer_id", value_type="INT64"),),
            views=(FeatureView(name="orders", join_keys=("customer_id",)),),
            columns=(FeatureColumn(view="orders", feature="count"),),
        ),
    )
    schema = jsonschema.Draft202012Validator(predicting.request(metadata, TERMS.max_rows))
    assert schema.is_valid({"instances": [[1]]})
    assert schema.is_valid({"entities": {"customer_id": [17, 42]}})
    for bad in (
        {"entities": {"customer_id": ["17"]}},
        {"entities": {"customer_id": []}},
        {"entities": {"customer_id": [1] * 5}},
        {"entities": {}},
        {"entities": {"customer_id": [1], "other": [1]}},
        {"entities": {"customer_id": [1]}, "instances": [[1]]},
    ):
        assert not schema.is_valid(bad)


def test_an_example_too_large_to_teach_anything_is_left_out() -> None:
    wide = metadata_of(spec("image", "FP32", -1, 3, 224, 224))
    assert (predicting.request_examples(wide), inferring.request_example(wide)) == ({}, None)


def test_an_answer_with_nan_fits_as_null() -> None:
    metadata = replace(metadata_of(spec("x", "FP32", -1, 2)), sample=Sample(inputs={}, outputs={}))
    answer = {"model_name": "echo", "model_version": "1.0.0", "predictions": [[1.5, None]]}
    assert jsonschema.Draft202012Validator(predicting.answer(metadata)).is_valid(answer)


@pytest.mark.parametrize(
    ("component", "struct"),
    [
        ("InferRequest", json_codec.InferRequest),
        ("InferInput", json_codec.Input),
        ("InferInputParameters", json_codec.InputParameters),
        ("InferOutputParameters", json_codec.OutputParameters),
        ("InferParameters", json_codec.RequestParameters),
    ],
)
def test_inference_requests_are_described_by_the_fields_that_are_read(
    component: str, struct: type[msgspec.Struct]
) -> None:
    schema = inferring.components()[component]
    required = {field.name for field in msgspec.structs.fields(struct) if field.required}
    # Data may lie behind the JSON; a request that is JSON alone has it there.
    required |= {"data"} & set(struct.__struct_fields__)
    assert (set(schema["properties"]), set(schema["required"])) == (set(struct.__struct_fields__), required)
    assert ("additionalProperties" in schema) is struct.__struct_config__.forbid_unknown_fields


def test_a_version_s_inference_request_names_its_inputs_and_outputs() -> None:
    metadata = metadata_of(spec("a", "FP32", -1, 2), spec("b", "BYTES", -1))
    whole = document_of(metadata)
    operation = whole["paths"]["/v2/models/echo/infer"]["post"]
    schema = resolved(whole, operation["requestBody"]["content"][JSON]["schema"])
    a = {"name": "a", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}
    b = {"name": "b", "datatype": "BYTES", "shape": [2], "data": ["x", "y"]}
    assert fits(whole, schema, {"inputs": [a, b], "outputs": [{"name": "same_a"}]})
    assert fits(whole, schema, {"inputs": [b, a | {"data": [[1, 2], [3, 4]]}]})
    for bad in (
        {"inputs": [a]},
        {"inputs": [a, b | {"datatype": "FP32"}]},
        {"inputs": [a, b | {"shape": [2, 1]}]},
        {"inputs": [a | {"shape": [5, 2]}, b]},
        {"inputs": [a, b], "outputs": [{"name": "a"}]},
        {"inputs": [a, b], "parameters": {"binary_data_output": "yes"}},
        {"inputs": [a | {"parameters": {"shared_memory_region": "r"}}, b]},
    ):
        assert not fits(whole, schema, bad)


def document_of(metadata: ModelMetadata) -> dict[str, Any]:
    return json.loads(Document(Loaded(Echo(metadata)), TERMS).of_models.body)


# What answers requests; not what describes them, and not what calls other services or speaks gRPC.
ANSWERING = [
    path
    for path in (ROOT / "serving").rglob("*.py")
    if path.relative_to(ROOT / "serving").parts[0] not in {"docs", "tracing", "rpc", "image"}
]
CODE_AT = {"Refused": 1, "InvalidRequest": 0, "_refused": 0, "_unavailable": 0, "_Misplaced": 1}


def codes_in(tree: ast.AST) -> set[str]:
    """Strings that are given as the code of an error, or assigned to a name that says so."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found += node.args[CODE_AT[called] : CODE_AT[called] + 1] if called in CODE_AT else []
        elif isinstance(node, ast.Assign) and re.search(r"\b(?:\w*_CODE|code)\b", ast.unparse(node.targets[0])):
            found.append(node.value)
    return {
        part.value
        for node in found
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and re.fullmatch(r"[a-z_]+", part.value)
    }


def test_every_status_and_code_that_can_be_raised_is_documented_and_no_other() -> None:
    trees = [ast.parse(path.read_text()) for path in ANSWERING]
    raised = set().union(*map(codes_in, trees))
    statuses = {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "HTTPStatus"
    }
    listed = [refusals.NO_OPERATION, *(kind.codes(authentication=True) for kind in refusals.KINDS)]
    assert {code for codes in listed for several in codes.values() for code in several} == raised
    assert {status.name for codes in listed for status in codes} == statuses - {"OK", "NOT_MODIFIED"}


def test_refusals_are_in_the_document_with_their_codes() -> None:
    whole = document(NOTHING, replace(TERMS, authentication=True))
    described = resolved(whole, whole["paths"]["/predict"]["post"]["responses"]["429"])
    assert "`rate_limited`" in described["description"]
    assert {"Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(described["headers"])
    assert "Allow" in whole["components"]["responses"]["NoOperation405"]["headers"]
