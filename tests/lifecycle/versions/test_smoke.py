"""The smoke test: the version's own sample, in this process and through a server, and what counts as no answer."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest

from contract import checksums
from contract import metadata as documents
from contract.metadata import ModelMetadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, version_prefix
from contract.versions import Kind, VersionRecord
from localcloud.moto_server import MotoServer
from ops.models.publish import publish
from ops.models.smoke import Server, through_server
from tests.lifecycle.versions.world import NAME, V1, World, linear, without_sample
from tests.serving.conftest import CREDENTIALS
from tests.serving.process import Container, container_environment

Serve = Callable[[int, Any], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives every call the same answer; its requests are kept in `calls`."""
    started: list[ThreadingHTTPServer] = []

    def run(status: int, body: Any) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                data = body if isinstance(body, bytes) else msgspec.json.encode(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield run
    for server in started:
        server.shutdown()
        server.server_close()


def test_a_version_that_answers_its_sample_passes(world: World) -> None:
    world.publish()
    answer = world.answer("smoke", NAME, "1.0.0")
    assert (answer["smoke"]["passed"], answer["smoke"]["rows"], answer["smoke"]["by"]) == (True, 3, "grace")
    recorded = world.record().smoke
    assert recorded is not None
    assert (recorded.passed, recorded.through) == (True, "in process")


def mended(world: World, metadata: ModelMetadata, model: Path) -> None:
    """Put a version there that `publish` would have refused, whole and with checksums that fit."""
    files = {MODEL_FILE: model.read_bytes(), METADATA_FILE: documents.render(metadata)}
    promised = checksums.render({file: hashlib.sha256(data).hexdigest() for file, data in files.items()})
    for file, data in {**files, CHECKSUMS_FILE: promised}.items():
        world.s3().put_object(Bucket=world.bucket(), Key=f"{version_prefix(NAME, V1)}{file}", Body=data)
    world.records.create(
        VersionRecord(
            model=NAME,
            version=V1,
            digest=hashlib.sha256(promised).hexdigest(),
            published_at=metadata.created_at,
            published_by="ada",
        )
    )


def test_a_version_that_answers_something_else_fails_and_that_is_recorded(world: World) -> None:
    model, metadata = linear(world.directory, V1)
    sample = metadata.sample
    assert sample is not None
    mended(world, replace(metadata, sample=replace(sample, outputs={"score": [[9.25], [9.25], [9.25]]})), model)
    result = world.command("smoke", NAME, "1.0.0")
    assert (result.exit_code, "does not answer the sample of churn 1.0.0" in result.stderr) == (1, True)
    assert "9.25" not in result.output
    recorded = world.record().smoke
    assert recorded is not None
    assert not recorded.passed
    world.verified()
    refused = world.command("approve", NAME, "1.0.0", "--note", "x", "--yes")
    assert (refused.exit_code, "it failed its sample" in refused.stderr) == (1, True)


def test_a_version_without_a_sample_cannot_be_tried(world: World) -> None:
    world.publish(described=without_sample)
    result = world.command("smoke", NAME, "1.0.0")
    assert (result.exit_code, "has no sample to try it with" in result.stderr) == (1, True)
    assert world.record().smoke is None


@pytest.mark.parametrize("file", [MODEL_FILE, CHECKSUMS_FILE])
def test_bytes_that_were_changed_are_not_tried(world: World, file: str) -> None:
    world.publish()
    world.spoil(Kind.STAGING, file=file)
    result = world.command("smoke", NAME, "1.0.0")
    assert (result.exit_code, file in result.stderr) == (1, True)
    assert world.record().smoke is None


def test_a_server_is_asked_for_that_version(world: World, serve: Serve) -> None:
    world.publish()
    _, metadata = linear(world.directory, V1)
    assert metadata.sample is not None
    outputs = [{"name": "score", "datatype": "FP32", "shape": [3, 1], "data": metadata.sample.outputs["score"]}]
    url = serve(200, {"model_name": NAME, "outputs": outputs})
    answer = world.answer("smoke", NAME, "1.0.0", "--url", url)
    assert (answer["smoke"]["passed"], answer["smoke"]["through"]) == (True, url)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"outputs": [{"name": "score", "shape": [3, 1], "data": [0, 0, 0]}]}, "does not answer the sample"),
        (200, {"outputs": [{"name": "score", "shape": [2, 2], "data": [0, 0, 0]}]}, "the shape that it says"),
        (200, {"outputs": []}, "lacks the output 'score'"),
        (200, b"<html>", "not one of the Open Inference Protocol"),
        (422, {"error": "no"}, "answered the sample with status 422"),
        (500, {"error": "no"}, "answered the sample with status 500"),
    ],
)
def test_a_wrong_answer_of_a_server_is_a_failed_test(
    world: World, serve: Serve, status: int, body: Any, said: str
) -> None:
    world.publish()
    result = world.command("smoke", NAME, "1.0.0", "--url", serve(status, body))
    assert (result.exit_code, said in result.stderr) == (1, True)
    recorded = world.record().smoke
    assert recorded is not None
    assert not recorded.passed


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "give a key with --api-key"), (404, "let the server load the version first"), (503, "try again later")],
)
def test_a_server_that_does_not_answer_says_nothing_of_the_version(
    world: World, serve: Serve, status: int, said: str
) -> None:
    world.publish()
    result = world.command("smoke", NAME, "1.0.0", "--url", serve(status, {}))
    assert (result.exit_code, said in result.stderr) == (3, True)
    assert world.record().smoke is None


def test_an_address_that_is_none_or_where_nobody_listens_is_told_apart(world: World, serve: Serve) -> None:
    world.publish()
    result = world.command("smoke", NAME, "1.0.0", "--url", "file:///etc/passwd")
    assert (result.exit_code, "is no address of a server" in result.stderr) == (1, True)
    with MotoServer() as gone:
        url = gone.endpoint
    result = world.command("smoke", NAME, "1.0.0", "--url", url)
    assert (result.exit_code, "did not answer" in result.stderr) == (3, True)


def test_the_serving_container_passes_with_the_version_that_it_serves(tmp_path: Path) -> None:
    model, metadata = linear(tmp_path, V1)
    sample = metadata.sample
    assert sample is not None
    with MotoServer() as moto:
        s3 = boto3.client(
            "s3",
            endpoint_url=moto.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        s3.create_bucket(Bucket="models")
        publish(s3, "models", NAME, V1, model, metadata)
        settings = container_environment(moto.endpoint, "models", tmp_path / "cache", CREDENTIALS)
        with Container(settings | {"SERVEML_MODEL_NAME": NAME}) as container:
            container.wait_for_line("serving churn 1.0.0")
            server = Server(url=f"http://127.0.0.1:{container.port}")
            assert through_server(server, metadata, sample) == ""
            other = replace(sample, outputs={"score": [[9.0], [9.0], [9.0]]})
            assert "does not answer the sample" in through_server(server, metadata, other)
