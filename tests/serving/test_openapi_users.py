"""The header that keeps a user on one version: described where it is read, by the name under which it is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from contract import service
from contract.deployment import Deployment, Weight
from contract.metadata import ModelMetadata
from contract.objects import Version
from serving.deployments.routing import Routing
from serving.docs.document import Document, Terms
from tests.serving.oip_versions import Echo, Loaded, Server, metadata_of, spec, tensor
from tests.serving.openapi import operations, resolved

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST, SECOND = "1.0.0", "1.1.0"
INPUT = spec("x", "FP32", -1, 1)


def described(metadata: ModelMetadata) -> dict[str, Any]:
    terms = Terms(authentication=False, max_rows=4, max_body_bytes=1000)
    return json.loads(Document(Loaded(Echo(metadata)), terms).of_models.body)


def user_header(whole: dict[str, Any], operation: Any) -> Any:
    """The parameter, if the operation has it."""
    parameters = [resolved(whole, parameter) for parameter in operation["parameters"]]
    return next((parameter for parameter in parameters if parameter["name"] == service.USER_HEADER), None)


def test_the_header_is_described_where_it_decides_which_version_answers() -> None:
    whole = described(metadata_of(INPUT))
    headers = {path: user_header(whole, operation) for path, _, operation in operations(whole)}
    # A path that names the version leaves nothing to decide.
    assert {path for path, header in headers.items() if header is not None} == {
        "/predict",
        "/v2/models/{name}/infer",
        "/v2/models/echo/infer",
    }
    header = headers["/predict"]
    assert (header["in"], header.get("required", False), header["schema"]) == ("header", False, {"type": "string"})
    assert "256 bytes" in header["description"]


def test_the_described_header_keeps_each_user_on_one_version() -> None:
    whole = described(metadata_of(INPUT))
    name = user_header(whole, whole["paths"]["/v2/models/{name}/infer"]["post"])["name"].lower().encode()
    server = Server(*(Echo(metadata_of(INPUT, version=version)) for version in (FIRST, SECOND)))
    shares = tuple(Weight(version=Version.parse(version), percent=50) for version in (FIRST, SECOND))
    record = Deployment(
        tenant="default",
        deployment_id="echo",
        model="echo",
        created_at=NOW,
        revision=1,
        changed_at=NOW,
        changed_by="ada",
        stable=Version.parse(FIRST),
        weights=shares,
    )
    server.models.routings = {"echo": Routing(record)}

    def version(user: str) -> str:
        answer = server.infer({"inputs": [tensor("x", "FP32", [1, 1], [1.0])]}, headers={name: user.encode()})
        return json.loads(answer.body)["model_version"]

    users = [f"user-{number}" for number in range(20)]
    chosen = {user: version(user) for user in users}
    assert set(chosen.values()) == {FIRST, SECOND}
    assert all(version(user) == seen for user, seen in chosen.items() for _ in range(3))
