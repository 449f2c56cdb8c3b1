"""The store against an S3 that breaks off, lies and stalls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from contract.objects import CHECKSUMS_FILE, Version
from serving.download import ATTEMPTS_WITHOUT_PROGRESS, ObjectMissing, StoreUnreachable, download, look_at, read_small
from serving.store import Store, VersionCorrupt
from tests.serving.process import PATIENCE_SECONDS

BUCKET, KEY = "models", "models/churn/v1.0.0/model.onnx"
BYTES = bytes(range(256)) * 4096
PART_BYTES = len(BYTES) // 4
FIRST, SECOND, THIRD = Version(1, 0, 0), Version(1, 1, 0), Version(1, 2, 0)


class FaultyS3(ThreadingHTTPServer):
    """Serves one object by ranges, each answer cut off where `cut` says: it gets a request's number and its bytes."""

    daemon_threads = True

    def __init__(self, data: bytes, cut: Callable[[int, bytes], bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data = data
        self.cut = cut
        self.etag = '"first"'
        self.ranges: list[str] = []
        self.knows_ranges = True
        self.lock = threading.Lock()
        self.gate: threading.Barrier | None = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what some of the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: FaultyS3
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._head(200, len(self.server.data))

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range", "")
        with server.lock:
            server.ranges.append(asked)
            number = len(server.ranges)
        if self.headers.get("If-Match", server.etag) != server.etag:
            self._head(412, 0)
            return
        if server.gate is not None:
            server.gate.wait(PATIENCE_SECONDS)
        if asked and server.knows_ranges:
            first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
            body = server.data[first : last + 1]
            self._head(206, len(body), f"bytes {first}-{last}/{len(server.data)}")
        else:
            body = server.data
            self._head(200, len(body))
        sent = server.cut(number, body)
        self.wfile.write(sent)
        self.close_connection = len(sent) < len(body)

    def _head(self, status: int, length: int, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(length))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


Faulty = Callable[..., tuple[FaultyS3, Any]]


@pytest.fixture
def faulty() -> Generator[Faulty]:
    servers: list[FaultyS3] = []

    def start(cut: Callable[[int, bytes], bytes] = lambda _, body: body, data: bytes = BYTES) -> tuple[FaultyS3, Any]:
        server = FaultyS3(data, cut)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server, client_of(f"http://127.0.0.1:{server.server_port}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def client_of(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
            read_timeout=1,
            response_checksum_validation="when_required",
        ),
    )


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.download.FIRST_PAUSE_SECONDS", 0.001)


def get(s3: Any, path: Path, threads: int = 2) -> None:
    download(s3, look_at(s3, BUCKET, KEY), path, threads=threads, part_bytes=PART_BYTES)


def test_a_large_object_arrives_in_parts_of_bounded_size(faulty: Faulty, tmp_path: Path) -> None:
    server, s3 = faulty()
    get(s3, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == BYTES
    starts = range(0, len(BYTES), PART_BYTES)
    assert sorted(server.ranges) == sorted(f"bytes={first}-{first + PART_BYTES - 1}" for first in starts)


def test_parts_are_fetched_side_by_side(faulty: Faulty, tmp_path: Path) -> None:
    server, s3 = faulty()
    # No answer begins until four requests are there.
    server.gate = threading.Barrier(4)
    get(s3, tmp_path / "model", threads=4)
    assert (tmp_path / "model").read_bytes() == BYTES


def test_a_part_that_broke_off_is_taken_up_where_it_broke(faulty: Faulty, tmp_path: Path) -> None:
    half = PART_BYTES // 2
    server, s3 = faulty(lambda number, body: body[:half] if number == 1 else body)
    get(s3, tmp_path / "model", threads=1)
    assert (tmp_path / "model").read_bytes() == BYTES
    assert server.ranges[:2] == [f"bytes=0-{PART_BYTES - 1}", f"bytes={half}-{PART_BYTES - 1}"]
    assert len(server.ranges) == 5, "the other parts were fetched once"


def test_an_object_arrives_however_often_it_breaks_off_as_long_as_it_gets_on(faulty: Faulty, tmp_path: Path) -> None:
    # Twice nothing, then one chunk, over and over.
    _, s3 = faulty(lambda number, body: body[: 65_536 if number % 3 == 0 else 0], BYTES[:400_000])
    get(s3, tmp_path / "model", threads=1)
    assert (tmp_path / "model").read_bytes() == BYTES[:400_000]


def test_an_object_that_no_longer_gets_on_is_given_up(faulty: Faulty, tmp_path: Path) -> None:
    server, s3 = faulty(lambda _, __: b"")
    with pytest.raises(StoreUnreachable, match=f"{KEY} broke off {ATTEMPTS_WITHOUT_PROGRESS} times at byte 0"):
        get(s3, tmp_path / "model", threads=1)
    assert len(server.ranges) == ATTEMPTS_WITHOUT_PROGRESS
    server.ranges.clear()
    with pytest.raises(StoreUnreachable, match=f"broke off {ATTEMPTS_WITHOUT_PROGRESS} times"):
        read_small(s3, BUCKET, KEY, 1024)
    assert len(server.ranges) == ATTEMPTS_WITHOUT_PROGRESS


def test_a_store_that_stalls_in_the_middle_is_taken_up_again(faulty: Faulty, tmp_path: Path) -> None:
    release = threading.Event()

    def stall_once(number: int, body: bytes) -> bytes:
        if number == 1:
            release.wait(PATIENCE_SECONDS)
        return body

    server, s3 = faulty(stall_once)
    get(s3, tmp_path / "model", threads=1)
    release.set()
    assert (tmp_path / "model").read_bytes() == BYTES
    assert server.ranges[0] == server.ranges[1]


def test_parts_of_two_writes_of_an_object_are_never_mixed(faulty: Faulty, tmp_path: Path) -> None:
    def replace_after_the_first(number: int, body: bytes) -> bytes:
        server.etag = '"second"'
        return body

    server, s3 = faulty(replace_after_the_first)
    with pytest.raises(StoreUnreachable, match=r"reading s3://models/.* failed: .*412"):
        get(s3, tmp_path / "model", threads=1)


def test_a_store_without_ranges_is_not_taken_for_one_with(faulty: Faulty, tmp_path: Path) -> None:
    server, s3 = faulty()
    server.knows_ranges = False
    with pytest.raises(StoreUnreachable, match="knows no ranges"):
        get(s3, tmp_path / "model")


def test_an_empty_object_is_an_empty_file(faulty: Faulty, tmp_path: Path) -> None:
    _, s3 = faulty(data=b"")
    get(s3, tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == b""


def test_a_document_is_read_no_further_than_it_may_be_long(faulty: Faulty) -> None:
    _, s3 = faulty()
    assert len(read_small(s3, BUCKET, KEY, 1000)) == 1001


def test_an_object_that_is_not_there_is_told_from_a_store_that_is_not(s3: Any, own_bucket: str) -> None:
    with pytest.raises(ObjectMissing, match="absent is missing"):
        look_at(s3, own_bucket, "absent")
    with pytest.raises(ObjectMissing, match="absent is missing"):
        read_small(s3, own_bucket, "absent", 10)
    with pytest.raises(StoreUnreachable):
        read_small(s3, "no-such-bucket", "absent", 10)


def test_a_checksums_document_without_end_is_refused_unread(s3: Any, own_bucket: str, tmp_path: Path) -> None:
    s3.put_object(Bucket=own_bucket, Key=f"models/churn/v1.0.0/{CHECKSUMS_FILE}", Body=b" " * 1_000_000)
    with (
        pytest.raises(VersionCorrupt, match=r"checksums\.json has more than 65536 bytes"),
        Store(s3, own_bucket, "churn", tmp_path).opened(FIRST),
    ):
        pass


def test_a_download_that_is_stuck_does_not_keep_the_process_from_ending(faulty: Faulty, tmp_path: Path) -> None:
    release, asked = threading.Event(), threading.Event()

    def stall(_: int, body: bytes) -> bytes:
        asked.set()
        release.wait(PATIENCE_SECONDS)
        return body

    _, s3 = faulty(stall)
    getting = threading.Thread(target=get, args=(s3, tmp_path / "model"))
    getting.start()
    assert asked.wait(PATIENCE_SECONDS)
    downloads = [thread for thread in threading.enumerate() if thread.name == "download"]
    assert downloads
    assert all(thread.daemon for thread in downloads)
    release.set()
    getting.join(PATIENCE_SECONDS)
    assert not getting.is_alive()
