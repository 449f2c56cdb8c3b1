"""The model repository of the Open Inference Protocol: listing, loading and unloading, and what cannot be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from serving.access.entrance import Entrance
from serving.catalogue import Entry
from serving.loaded import LoadedVersion
from serving.messages import Refused, Request, Response
from serving.oip.repository import Control, repository_routes
from tests.serving.oip_versions import Echo, metadata_of, spec

MODEL = "/v2/repository/models/{name}"


class Bucket:
    """Three published versions, of which the second cannot be loaded and the third is current."""

    def __init__(self) -> None:
        self.in_memory = {"1.2.0"}
        self.reasons = {"1.1.0": "its model is another one"}
        self.slow = False

    def find(self, name: str, version: str | None = None) -> LoadedVersion | None:
        version = version or "1.2.0"
        if name != "echo" or version not in self.in_memory:
            return None
        return Echo(metadata_of(spec("x", "FP32", -1, 1), version=version))

    def index(self) -> list[Entry]:
        return [
            Entry(
                name="echo",
                version=version,
                loaded=version in self.in_memory,
                current=version == "1.2.0",
                reason=self.reasons.get(version, ""),
            )
            for version in ("1.2.0", "1.1.0", "1.0.0")
        ]

    def load(self, name: str, version: str) -> bool:
        if version not in self.reasons and not self.slow and version == "1.0.0":
            asyncio.get_running_loop().call_soon(self.in_memory.add, version)
        return version in ("1.0.0", "1.1.0", "1.2.0")

    def unload(self, name: str, version: str) -> bool:
        if version == "1.2.0" or version not in ("1.0.0", "1.1.0"):
            return False
        asyncio.get_running_loop().call_soon(self.in_memory.discard, version)
        return True


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def call(bucket: Bucket, path: str, body: object = None, **parameters: str) -> Response:
    entrance = Entrance(None, lambda _: 0.0, max_wait_seconds=1.0)
    route = repository_routes(Control(bucket, entrance, patience_seconds=0.2))[path]["POST"]
    request = Request("POST", path, {}, b"" if body is None else json.dumps(body).encode())
    request.parameters = parameters

    answer = route(request)
    return answer if isinstance(answer, Response) else asyncio.run(cast("Coroutine[Any, Any, Response]", answer))


def refusal(bucket: Bucket, path: str, body: object = None, **parameters: str) -> Refused:
    with pytest.raises(Refused) as caught:
        call(bucket, path, body, **parameters)
    return caught.value


def test_the_index_lists_what_is_published_and_why_a_version_is_not_served(bucket: Bucket) -> None:
    listed = json.loads(call(bucket, "/v2/repository/index").body)
    assert [(entry["version"], entry["state"], entry["reason"]) for entry in listed] == [
        ("1.2.0", "READY", ""),
        ("1.1.0", "UNAVAILABLE", "its model is another one"),
        ("1.0.0", "UNAVAILABLE", ""),
    ]
    ready = json.loads(call(bucket, "/v2/repository/index", {"ready": True}).body)
    assert [entry["version"] for entry in ready] == ["1.2.0"]
    assert refusal(bucket, "/v2/repository/index", {"ready": 1}).status == 400


def test_a_version_named_in_the_body_or_the_path_is_loaded_and_unloaded_before_the_answer(bucket: Bucket) -> None:
    asked = {"parameters": {"version": "1.0.0"}}
    assert call(bucket, MODEL + "/load", asked, name="echo").status == 200
    assert "1.0.0" in bucket.in_memory
    assert call(bucket, MODEL + "/versions/{version}/unload", name="echo", version="1.0.0").status == 200
    assert "1.0.0" not in bucket.in_memory


def test_a_version_that_cannot_be_loaded_is_answered_with_the_reason(bucket: Bucket) -> None:
    refused = refusal(bucket, MODEL + "/versions/{version}/load", name="echo", version="1.1.0")
    assert (refused.status, "its model is another one" in refused.message) == (409, True)


def test_a_version_that_takes_too_long_is_said_to_be_coming(bucket: Bucket) -> None:
    bucket.slow = True
    refused = refusal(bucket, MODEL + "/versions/{version}/load", name="echo", version="1.0.0")
    assert (refused.status, "still coming" in refused.message) == (409, True)


def test_the_current_version_stays_and_one_that_is_not_published_is_not_found(bucket: Bucket) -> None:
    assert refusal(bucket, MODEL + "/versions/{version}/unload", name="echo", version="1.2.0").status == 409
    for action in ("load", "unload"):
        assert refusal(bucket, MODEL + f"/versions/{{version}}/{action}", name="echo", version="9.9.9").status == 404


def test_without_a_version_the_current_one_is_meant_which_is_loaded_and_stays(bucket: Bucket) -> None:
    # tritonclient names none.
    for body in (None, {}, {"parameters": {}}):
        assert call(bucket, MODEL + "/load", body, name="echo").status == 200
        assert "no version is named" in refusal(bucket, MODEL + "/unload", body, name="echo").message
    assert "no version is named" in refusal(bucket, MODEL + "/load", name="another").message
    assert refusal(bucket, MODEL + "/load", {"parameters": 3}, name="echo").status == 400
