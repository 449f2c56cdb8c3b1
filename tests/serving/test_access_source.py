"""Where keys come from: a table, a file, an address; and the thread that keeps reading while requests go on."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from contract import access
from contract.access import ApiKeyRecord
from serving.access.gate import Gate
from serving.access.keys import KeyRing
from serving.access.source import LARGEST_KEY_SET_BYTES, KeyFile, KeySetAddress, KeyTable, Refresher, SourceAway
from serving.messages import Refused
from tests.serving.conftest import CREDENTIALS

PATIENCE_SECONDS = 10
NOW = 1_800_000_000


def new_client(endpoint: str) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture(scope="module")
def dynamodb(endpoint: str) -> Any:
    return new_client(endpoint)


@pytest.fixture
def table(dynamodb: Any) -> str:
    name = f"keys-{uuid.uuid4()}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": access.HASH_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": access.HASH_KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def issued(**changes: Any) -> tuple[str, ApiKeyRecord]:
    return access.issue(**{"user_id": "ada", "scopes": ["churn"], "now": NOW, **changes})


def one_key_a_page(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "Limit": 1}


def test_every_page_of_the_table_is_read(endpoint: str, table: str) -> None:
    dynamodb = new_client(endpoint)
    dynamodb.meta.events.register("provide-client-params.dynamodb.Scan", one_key_a_page)
    records = [issued()[1] for _ in range(4)]
    for record in records:
        dynamodb.put_item(TableName=table, Item=access.to_item(record))
    assert sorted(KeyTable(dynamodb, table)(), key=records.index) == records


def test_half_a_table_counts_as_none(endpoint: str, table: str) -> None:
    dynamodb, scans = new_client(endpoint), iter(range(10))

    def fail_the_second(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return one_key_a_page({**params, "TableName": table if next(scans) == 0 else "gone"})

    dynamodb.meta.events.register("provide-client-params.dynamodb.Scan", fail_the_second)
    for _ in range(3):
        dynamodb.put_item(TableName=table, Item=access.to_item(issued()[1]))
    with pytest.raises(SourceAway, match=table):
        KeyTable(dynamodb, table)()


def test_a_malformed_item_is_left_out_and_logged_without_its_content(
    dynamodb: Any, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, good = issued()
    dynamodb.put_item(TableName=table, Item=access.to_item(good))
    spoilt = {**access.to_item(issued()[1]), "digest": {"S": "marker-7f3a"}}
    dynamodb.put_item(TableName=table, Item=spoilt)
    assert KeyTable(dynamodb, table)() == [good]
    assert "digest" in caplog.text
    assert "marker-7f3a" not in caplog.text


def test_a_revocation_in_the_table_counts_after_the_next_read_and_the_last_keys_stay_while_it_is_away(
    dynamodb: Any, table: str
) -> None:
    (text, record), (other, other_record) = issued(), issued()
    for each in (record, other_record):
        dynamodb.put_item(TableName=table, Item=access.to_item(each))
    ring = KeyRing()
    gate, refresher = Gate(ring), Refresher("API keys", KeyTable(dynamodb, table), ring.replace)
    assert refresher.refresh()
    assert gate.authenticate({b"x-api-key": text.encode()}, NOW)
    dynamodb.put_item(TableName=table, Item=access.to_item(replace(record, revoked_at=NOW)))
    assert refresher.refresh()
    dynamodb.delete_table(TableName=table)
    assert not refresher.refresh()
    with pytest.raises(Refused, match="revoked"):
        gate.authenticate({b"x-api-key": text.encode()}, NOW)
    assert gate.authenticate({b"x-api-key": other.encode()}, NOW)


@pytest.mark.parametrize("content", [None, b"{", b'{"keys": [{}]}'])
def test_a_file_that_is_away_or_spoilt_keeps_the_last_keys(tmp_path: Path, content: bytes | None) -> None:
    text, record = issued()
    file = tmp_path / "keys.json"
    file.write_bytes(access.render([record]))
    ring = KeyRing()
    refresher = Refresher("API keys", KeyFile(file), ring.replace)
    assert refresher.refresh()
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert not refresher.refresh()
    assert Gate(ring).authenticate({b"x-api-key": text.encode()}, NOW)


class _Issuer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = {"/keys": b'{"keys": []}', "/large": b"a" * (LARGEST_KEY_SET_BYTES + 1)}.get(self.path, b"")
        status = {"/moved": 302, "/broken": 500}.get(self.path, 200)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "/keys")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def issuer() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Issuer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_key_set_is_read_from_its_address(issuer: str) -> None:
    assert KeySetAddress(f"{issuer}/keys")() == b'{"keys": []}'


@pytest.mark.parametrize("path", ["/moved", "/broken", "/large"])
def test_a_key_set_that_is_elsewhere_broken_or_endless_counts_as_away(issuer: str, path: str) -> None:
    with pytest.raises(SourceAway):
        KeySetAddress(issuer + path)()


@pytest.mark.parametrize("url", ["http://issuer.example/keys", "file:///etc/passwd", "issuer.example", ""])
def test_a_key_set_over_plain_http_is_a_mistake(url: str) -> None:
    with pytest.raises(ValueError, match="use https"):
        KeySetAddress(url)


class Source:
    """Answers a number that grows, or fails as told; says when it was read."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.reads = threading.Semaphore(0)
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        self.reads.release()
        if self.failure is not None:
            raise self.failure
        return self.count

    def wait(self) -> bool:
        return self.reads.acquire(timeout=PATIENCE_SECONDS)


Start = Callable[..., Refresher[int]]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Refresher[int]] = []

    def run(source: Source, publish: Callable[[int], None], **options: float) -> Refresher[int]:
        refresher = Refresher("numbers", source, publish, **options)
        refresher.start()
        started.append(refresher)
        return refresher

    yield run
    for refresher in started:
        refresher.stop()


def test_a_source_is_read_at_once_and_then_again_and_again(start: Start) -> None:
    source = Source()
    start(source, lambda _: None, every_seconds=0.01)
    assert all(source.wait() for _ in range(3))


def test_asking_brings_the_next_read_forward(start: Start) -> None:
    source = Source()
    refresher = start(source, lambda _: None, every_seconds=3600, soonest_seconds=0)
    assert source.wait()
    refresher.ask()
    assert source.wait()


@pytest.mark.parametrize("failure", [SourceAway("away"), RuntimeError("a fault of ours")])
def test_the_thread_outlives_any_failure(start: Start, failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    source, published = Source(), threading.Event()
    source.failure = failure
    with caplog.at_level(logging.WARNING):
        start(source, lambda _: published.set(), every_seconds=0.01)
        assert source.wait()
        assert source.wait()
    assert not published.is_set()
    assert "numbers stay as they are" in caplog.text
    source.failure = None
    assert published.wait(PATIENCE_SECONDS)


def test_a_stopped_refresher_ends_without_waiting_for_its_next_turn() -> None:
    source = Source()
    refresher = Refresher("numbers", source, lambda _: None, every_seconds=3600)
    refresher.start()
    assert source.wait()
    refresher.stop()
    refresher.join(PATIENCE_SECONDS)
    assert not refresher.running


def test_the_age_is_that_of_what_counts_now() -> None:
    source, clock = Source(), iter([100.0, 103.0, 110.0, 110.0])
    refresher = Refresher("numbers", source, lambda _: None, clock=lambda: next(clock))
    assert refresher.age_seconds() is None
    refresher.refresh()
    assert refresher.age_seconds() == 3.0
    source.failure = SourceAway("away")
    refresher.refresh()
    assert refresher.age_seconds() == 10.0
