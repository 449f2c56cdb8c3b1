"""The disk that versions are kept on: its bound, what it evicts, and other processes beside it."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from contract import checksums
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version
from serving.disk import Disk, NoRoom
from serving.download import StoreUnreachable
from serving.store import Store
from tests.serving.process import PATIENCE_SECONDS

FIRST, SECOND, THIRD = Version(1, 0, 0), Version(1, 1, 0), Version(1, 2, 0)


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
