"""The store against an S3 that breaks off, lies and stalls, and the disk against its bound and other processes."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from contract import checksums
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version
from serving.disk import Disk, NoRoom
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


def test_a_version_is_not_downloaded_beyond_the_disks_bound(s3: Any, own_bucket: str, tmp_path: Path) -> None:
    promised = checksums.render(digests(100))
    for file, data in {MODEL_FILE: b"x" * 100, METADATA_FILE: b"x" * 100, CHECKSUMS_FILE: promised}.items():
        s3.put_object(Bucket=own_bucket, Key=f"models/churn/v1.0.0/{file}", Body=data)
    with (
        pytest.raises(NoRoom, match=r"churn 1\.0\.0 takes 200 bytes of disk, and 199 may be kept"),
        Store(s3, own_bucket, "churn", tmp_path, max_disk_bytes=199).opened(FIRST),
    ):
        pass


def digests(size: int) -> dict[str, str]:
    return {name: hashlib.sha256(b"x" * size).hexdigest() for name in (MODEL_FILE, METADATA_FILE)}


def keep(disk: Disk, version: Version, size: int = 100, name: str = "churn") -> None:
    """Hold a version whose two files have this size, written unless they lie there."""

    def fill(directory: Path) -> None:
        disk.make_room(2 * size, f"{name} {version}")
        for file in (MODEL_FILE, METADATA_FILE):
            (directory / file).write_bytes(b"x" * size)
        (directory / CHECKSUMS_FILE).write_bytes(checksums.render(digests(size)))

    with disk.hold(name, version, digests(size), fill):
        pass


def refuse(_: Path) -> None:
    raise AssertionError("it lies there already")


def test_what_is_on_disk_is_not_fetched_again(tmp_path: Path) -> None:
    keep(Disk(tmp_path), FIRST)
    with Disk(tmp_path).hold("churn", FIRST, digests(100), refuse) as directory:
        assert (directory / MODEL_FILE).read_bytes() == b"x" * 100


def test_the_version_served_longest_ago_makes_room_whichever_model_it_is_of(tmp_path: Path) -> None:
    room_for_two = 2 * (200 + len(checksums.render(digests(100)))) + 100
    disk = Disk(tmp_path, room_for_two)
    for seconds, (name, version) in enumerate([("churn", FIRST), ("fraud", FIRST)]):
        keep(disk, version, name=name)
        os.utime(tmp_path / name / f"v{version}", (seconds, seconds))
    disk.served("churn", [FIRST], FIRST)
    keep(disk, SECOND)
    assert disk.kept("churn") == [FIRST, SECOND]
    assert disk.kept("fraud") == []


def test_a_version_that_is_being_opened_is_not_evicted(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 500)
    keep(disk, FIRST)
    with disk.hold("churn", FIRST, digests(100), refuse) as directory:
        with pytest.raises(NoRoom, match=r"churn 1\.1\.0 takes 400 bytes of disk, and \d+ are free"):
            keep(disk, SECOND, 200)
        assert (directory / MODEL_FILE).is_file()
    keep(disk, SECOND, 200)
    assert disk.kept("churn") == [SECOND]


def test_a_version_beyond_the_bound_evicts_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 1000)
    keep(disk, FIRST)
    with pytest.raises(NoRoom, match="takes 1002 bytes of disk, and 1000 may be kept: raise the bound"):
        keep(disk, SECOND, 501)
    assert disk.kept("churn") == [FIRST]


def test_what_a_killed_process_left_unfinished_goes_when_room_is_made(tmp_path: Path) -> None:
    leftover = tmp_path / "fraud" / "unfinished-v1.0.0"
    leftover.mkdir(parents=True)
    (leftover / MODEL_FILE).write_bytes(b"half")
    keep(Disk(tmp_path), FIRST)
    assert not leftover.exists()


def test_a_version_that_could_not_be_filled_leaves_nothing(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / MODEL_FILE).write_bytes(b"half")
        raise StoreUnreachable("away")

    with pytest.raises(StoreUnreachable), Disk(tmp_path).hold("churn", FIRST, digests(100), fail):
        pass
    assert list((tmp_path / "churn").iterdir()) == []


def test_a_restart_begins_with_what_requests_got_and_not_with_what_an_operator_had_beside_it(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    keep(disk, FIRST)
    keep(disk, SECOND)
    disk.served("churn", [FIRST, SECOND], FIRST)
    os.utime(tmp_path / "churn" / f"v{FIRST}", (0, 0))
    assert disk.kept("churn") == [FIRST, SECOND]


def _keep_counted(root: Path, barrier: Any, fills: Any) -> None:
    def fill(directory: Path) -> None:
        with fills.get_lock():
            fills.value += 1
        # Long enough for the others to come by and find it missing.
        time.sleep(0.2)
        for file in (MODEL_FILE, METADATA_FILE):
            (directory / file).write_bytes(b"x" * 100)

    barrier.wait(PATIENCE_SECONDS)
    with Disk(root).hold("churn", FIRST, digests(100), fill) as directory:
        assert (directory / MODEL_FILE).read_bytes() == b"x" * 100
        # All of them hold it at once: opening a model waits for no other worker.
        barrier.wait(PATIENCE_SECONDS)


def test_of_several_workers_one_downloads_and_all_open(tmp_path: Path) -> None:
    workers = 2
    context = multiprocessing.get_context("spawn")
    barrier, fills = context.Barrier(workers), context.Value("i", 0)
    processes = [context.Process(target=_keep_counted, args=(tmp_path, barrier, fills)) for _ in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in processes] == [0] * workers
    assert fills.value == 1


def test_what_processes_ask_for_at_the_same_time_is_all_noted(tmp_path: Path) -> None:
    versions = [f"1.0.{patch}" for patch in range(20)]
    threads = [
        threading.Thread(target=Disk(tmp_path).ask, args=("churn", version), kwargs={"wanted": True})
        for version in versions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert Disk(tmp_path).asked("churn") == set(versions)
    Disk(tmp_path).ask("churn", versions[0], wanted=False)
    assert Disk(tmp_path).asked("churn") == set(versions[1:])


@pytest.mark.parametrize("spoilt", [b"", b"{", b'{"a": 1}', b"[1, null]", b"\xff"])
def test_a_spoilt_note_of_what_was_asked_for_asks_for_nothing(tmp_path: Path, spoilt: bytes) -> None:
    disk = Disk(tmp_path)
    keep(disk, FIRST)
    (tmp_path / "churn" / "asked.json").write_bytes(spoilt)
    assert disk.asked("churn") == set()


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
