"""Publishing that breaks off anywhere: nobody ever sees half a version, and the same command again finishes it."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contract.objects import Version
from localcloud.moto_server import MotoServer
from ops.models.publish import publish
from ops.signing import FileKey
from tests.lifecycle.uploads import (
    BUCKET,
    PARTS,
    BigModel,
    Calls,
    account,
    big_model,
    client,
    open_uploads,
    publish_telling,
    published,
    verified,
)

# Children of a process that has imported everything start at once, and share no threads with this one.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.lifecycle.uploads"])
KILLS = 10
PATIENCE_SECONDS = 60

CALLS = [
    "ListObjectsV2",
    "PutObject",  # metadata.json
    "ListMultipartUploads",
    "CreateMultipartUpload",
    *(["UploadPart"] * PARTS),
    "CompleteMultipartUpload",
    "PutObject",  # the variant
    "PutObject",  # signature.json
    "PutObject",  # checksums.json
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> BigModel:
    return big_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def signer() -> FileKey:
    key = Ed25519PrivateKey.generate()
    return FileKey(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "release")


@pytest.fixture
def s3() -> Iterator[Any]:
    with account() as found:
        yield found


def test_these_are_the_calls_of_publishing(s3: Any, model: BigModel, signer: FileKey) -> None:
    calls = Calls(s3)
    publish(s3, signer=signer, threads=1, **model.arguments)
    assert calls.names == CALLS


@pytest.mark.parametrize("answer_lost", [False, True], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("call", range(1, len(CALLS) + 1))
def test_a_connection_that_breaks_at_any_call_leaves_no_half_version_and_the_same_again_finishes_it(
    s3: Any, model: BigModel, signer: FileKey, tmp_path: Path, call: int, answer_lost: bool
) -> None:
    calls = Calls(s3)
    calls.break_at, calls.answer_lost = call, answer_lost
    with pytest.raises(ConnectionClosedError):
        publish(s3, signer=signer, threads=1, **model.arguments)
    calls.break_at = None
    whole = call == len(CALLS) and answer_lost
    assert [found.version for found in published(s3, tmp_path)] == ([Version(1, 0, 0)] if whole else [])
    calls.names.clear()
    done = publish(s3, signer=signer, threads=1, **model.arguments)
    assert done.created is not whole
    assert verified(s3, tmp_path) == model.onnx.read_bytes()
    # Every part that arrived was kept. An upload without any is nobody's, and left for `abandon`.
    arrived = CALLS[: call if answer_lost else call - 1]
    assert calls.count("UploadPart") == (
        0 if "CompleteMultipartUpload" in arrived else PARTS - arrived.count("UploadPart")
    )
    assert len(open_uploads(s3)) == ("CreateMultipartUpload" in arrived and "UploadPart" not in arrived)


@pytest.mark.parametrize("seed", range(3))
def test_parts_side_by_side_break_off_as_well(
    s3: Any, model: BigModel, signer: FileKey, tmp_path: Path, seed: int
) -> None:
    calls = Calls(s3)
    dice = random.Random(seed)
    for _ in range(5):
        calls.names.clear()
        calls.break_at, calls.answer_lost = dice.randrange(1, len(CALLS)), dice.random() < 0.5
        with pytest.raises(ConnectionClosedError):
            publish(s3, signer=signer, **model.arguments)
        calls.break_at = None
        assert published(s3, tmp_path) == []
    assert publish(s3, signer=signer, **model.arguments).created
    assert verified(s3, tmp_path) == model.onnx.read_bytes()


@pytest.fixture(scope="module")
def remote() -> Iterator[Any]:
    """A client for an account that other processes reach, with an empty bucket."""
    with MotoServer() as server:
        s3 = client(server.endpoint)
        s3.create_bucket(Bucket=BUCKET)
        yield s3


def run(s3: Any, model: BigModel, kill_at: int | None) -> None:
    """Publish in a process of its own, which is killed once it has told so much."""
    hears, tells = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=publish_telling, args=(tells, s3.meta.endpoint_url, model))
    process.start()
    tells.close()
    told = 0
    with contextlib.suppress(EOFError):
        while told != kill_at:
            assert hears.poll(PATIENCE_SECONDS)
            hears.recv()
            told += 1
        process.kill()
    process.join(PATIENCE_SECONDS)
    assert kill_at is not None or process.exitcode == 0


def test_a_publisher_that_is_killed_at_random_leaves_no_half_version(remote: Any, tmp_path: Path) -> None:
    dice = random.Random(1)
    most = 2 * len(CALLS)
    versions = iter(Version(1, number, 0) for number in range(KILLS + 2))
    model = big_model(tmp_path, version=next(versions))
    for _ in range(KILLS):
        run(remote, model, kill_at=dice.randrange(1, most))
        for found in published(remote, tmp_path):
            # Killed behind its last write, or with it on the way: then it is whole.
            assert verified(remote, tmp_path, found.version) == model.onnx.read_bytes()
            if found.version == model.metadata.version:
                model = big_model(tmp_path, version=next(versions))
    run(remote, model, kill_at=None)
    assert model.metadata.version in {found.version for found in published(remote, tmp_path)}
    assert verified(remote, tmp_path, model.metadata.version) == model.onnx.read_bytes()
