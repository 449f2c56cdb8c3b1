"""How long does a model's file take to the bucket: ours, and boto3's `upload_file`, in turns in one run?

    python -m bench.publish [--size-mib 1024] [--rounds 3]

The bucket is a moto server's on this machine, which takes longer than all that is measured on this side: what counts
is the ratio, and the processor time of this process. Ours has the file's SHA-256 ready at the end, and S3 has checked
every part by one; boto3 as it comes sends a CRC32 with each part and knows nothing of the whole.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from contract.checksums import digest_of_file
from localcloud.moto_server import MotoServer
from ops.models.parts import MIB, Source
from ops.models.upload import THREADS, upload

BUCKET, KEY = "bench-publish", "models/bench/v1.0.0/model.onnx"
OURS, BOTO3, BOTO3_DIGESTS = "ours", "boto3 upload_file", "boto3 upload_file, SHA-256"
MOST_RATIO = 1.3


@dataclass(frozen=True, kw_only=True)
class Round:
    """One upload of the file."""

    seconds: float
    processor_seconds: float


def measure(size_mib: int, rounds: int) -> dict[str, list[Round]]:
    """Each way once a round, each time in another order, so that none is always the first."""
    with tempfile.TemporaryDirectory(prefix="bench-publish-") as folder, MotoServer() as server:
        path = _file(Path(folder) / "model.onnx", size_mib)
        s3 = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
            config=Config(max_pool_connections=THREADS * 4),
        )
        s3.create_bucket(Bucket=BUCKET)

        def ours() -> None:
            upload(s3, Source(path), BUCKET, KEY)

        def plain() -> None:
            s3.upload_file(str(path), BUCKET, KEY)

        def with_digests() -> None:
            digest_of_file(path)
            s3.upload_file(str(path), BUCKET, KEY, ExtraArgs={"ChecksumAlgorithm": "SHA256"})

        ways: dict[str, Callable[[], None]] = {OURS: ours, BOTO3: plain, BOTO3_DIGESTS: with_digests}
        measured: dict[str, list[Round]] = {name: [] for name in ways}
        for number in range(rounds):
            order = list(ways.items())
            for name, run in order[number % len(order) :] + order[: number % len(order)]:
                measured[name].append(_timed(run))
                if s3.head_object(Bucket=BUCKET, Key=KEY)["ContentLength"] != path.stat().st_size:
                    raise RuntimeError(f"{name} did not bring the whole file to the bucket")
                # The server keeps objects in memory.
                s3.delete_object(Bucket=BUCKET, Key=KEY)
        return measured


def _file(path: Path, size_mib: int) -> Path:
    with path.open("wb") as file:
        for _ in range(size_mib):
            file.write(os.urandom(MIB))
    return path


def _timed(run: Callable[[], None]) -> Round:
    began, used = time.perf_counter(), _processor_seconds()
    run()
    return Round(seconds=time.perf_counter() - began, processor_seconds=_processor_seconds() - used)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ratio(measured: dict[str, list[Round]], way: str) -> float:
    """Of the medians of a way and of boto3 as it comes."""
    ours, theirs = (statistics.median(found.seconds for found in measured[name]) for name in (way, BOTO3))
    return ours / theirs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.publish", description="Ours beside boto3's upload_file.")
    parser.add_argument("--size-mib", type=int, default=1024, help="size of the file")
    parser.add_argument("--rounds", type=int, default=3, help="uploads of each kind; odd, so that one is the median")
    given = parser.parse_args()
    measured = measure(given.size_mib, given.rounds)
    table = Table(title=f"{given.size_mib} MiB to a moto server, medians of {given.rounds} rounds")
    for column in ("way", "s", "MiB/s", "fastest s", "processor s", "to boto3"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name, rounds in measured.items():
        seconds = statistics.median(found.seconds for found in rounds)
        table.add_row(
            name,
            f"{seconds:.2f}",
            f"{given.size_mib / seconds:.0f}",
            f"{min(found.seconds for found in rounds):.2f}",
            f"{statistics.median(found.processor_seconds for found in rounds):.2f}",
            f"{ratio(measured, name):.2f}",
        )
    Console().print(table)
    found = ratio(measured, OURS)
    print(f"ours takes {found:.2f} times boto3's time; at most {MOST_RATIO} is wanted")
    raise SystemExit(found > MOST_RATIO)


if __name__ == "__main__":
    main()
