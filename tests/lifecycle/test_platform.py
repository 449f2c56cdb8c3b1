"""A platform as commands open it: clients that are kept, and outputs that are no platform's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import boto3
import pytest

from ops import platform as platforms
from ops.platform import NoPlatform, Outputs, Platform

HOME, AWAY = "us-east-1", "us-west-2"
OUTPUTS = Outputs(
    regions=(HOME, AWAY),
    models_buckets={HOME: "models-home", AWAY: "models-away"},
    staging_buckets={HOME: "staging"},
    deployments_table="deployments",
    api_keys_table="keys",
)
PATIENCE_SECONDS = 60


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The regions that clients were made for, in their order."""
    regions: list[str] = []
    make: Callable[..., object] = boto3.Session.client

    def count(self: boto3.Session, service: str, region: str, **given: object) -> object:
        regions.append(region)
        return make(self, service, region, **given)

    monkeypatch.setattr(boto3.Session, "client", count)
    return regions


def test_a_region_has_one_client_which_comes_back(made: list[str]) -> None:
    platform = Platform("local", OUTPUTS)
    assert platform.s3() is platform.s3() is platform.s3(HOME)
    assert platform.s3(AWAY) is platform.s3(AWAY)
    assert [client.meta.region_name for client in (platform.s3(), platform.s3(AWAY))] == [HOME, AWAY]
    assert made == [HOME, AWAY]


def test_threads_that_ask_at_the_same_time_get_the_same_client(made: list[str]) -> None:
    platform, threads = Platform("local", OUTPUTS), 8
    together = Barrier(threads, timeout=PATIENCE_SECONDS)

    def ask(_: int) -> int:
        together.wait()
        return id(platform.s3(AWAY))

    with ThreadPoolExecutor(threads) as pool:
        assert set(pool.map(ask, range(threads))) == {id(platform.s3(AWAY))}
    assert made == [AWAY]


def test_platforms_share_no_client() -> None:
    assert Platform("local", OUTPUTS).s3() is not Platform("local", OUTPUTS).s3()


def test_outputs_are_read_as_they_were_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platforms, "FOLDER", tmp_path / "outputs")
    assert platforms.keep("dev", OUTPUTS).read_bytes() == platforms.encode(OUTPUTS)
    loaded = platforms.load("dev")
    assert (loaded.environment, loaded.outputs) == ("dev", OUTPUTS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "Input data was truncated"),
        (b"{}", "Object missing required field regions"),
        (b'{"regions": ["\xff"]}', "it is not in UTF-8"),
        (b'{"regions": "us-east-1"}', "Expected array, got str - at $.regions"),
    ],
)
def test_a_file_that_holds_no_outputs_is_named_with_what_to_do(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "dev.json"
    path.write_bytes(content)
    with pytest.raises(NoPlatform) as refused:
        platforms.load("dev", path)
    assert str(refused.value) == (
        f"{path} does not hold the outputs of dev ({said}): "
        f"write it with `pulumi stack output --json --stack dev > {path}`"
    )
