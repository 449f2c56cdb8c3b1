"""The smoke test: a version answers its own sample, in this process or through a server that has loaded it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib import error as failures
from urllib import request
from urllib.parse import urlsplit

import msgspec
import numpy as np

from contract import versions
from contract.metadata import ModelMetadata, Sample
from contract.objects import Version
from contract.service import OPEN_INFERENCE_PREFIX
from contract.versions import Smoke, VersionRecord
from ops.models import places
from ops.models.places import Copy
from ops.models.pull import Pulled, pulled_aside
from ops.models.reading import REMEDY, CopyCorrupt, promise_of
from ops.models.registry import versions_of
from ops.models.verify import Clock, now_utc
from ops.platform import Platform
from serving.model import SAMPLE_ABSOLUTE_TOLERANCE, SAMPLE_RELATIVE_TOLERANCE, Model, ModelRefused
from serving.runtime import Runtime
from serving.signature import TrustedKeys

IN_PROCESS = "in process"
ANSWER_SECONDS = 30.0
MOST_ANSWER_BYTES = 64 * 1024**2


class NoSample(ValueError):
    """There is nothing to try the version with."""


class InvalidServer(ValueError):
    """What was given names no server."""


class ServerAway(Exception):
    """The server did not answer, or did not let the caller in: nothing was learnt of the version."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of ours, and the key to call it with."""

    url: str
    key: str | None = None

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise InvalidServer(f"{self.url!r:.80} is no address of a server: write https://api.example.com")

    @property
    def named(self) -> str:
        return self.url.rstrip("/")


def smoke(
    platform: Platform,
    name: str,
    version: Version,
    *,
    by: str,
    trusted: TrustedKeys,
    server: Server | None = None,
    now: Clock = now_utc,
) -> VersionRecord:
    """Try the version and record how it went, also where it failed: see `smoke` of the record.

    Raises NoSample, CopyCorrupt, UnknownVersion or NoVersion, and StoreUnreachable, ServerAway or botocore's errors
    where nothing was learnt and nothing is recorded.
    """
    table = versions_of(platform)
    record = table.get(name, version)
    looked = (places.staging(platform), *places.production(platform))
    copy = places.whole_copy(looked, name, version)
    promise = promise_of(copy, trusted)
    if promise.digest != record.digest:
        raise CopyCorrupt(f"{copy.url} is not what was registered: {REMEDY}")
    sample = promise.metadata.sample
    if sample is None:
        raise NoSample(f"{name} {version} has no sample to try it with: publish a new version with one")
    if server is None:
        through, reason = IN_PROCESS, _in_process(copy, trusted)
    else:
        through, reason = server.named, through_server(server, promise.metadata, sample)
    rows = len(next(iter(sample.inputs.values())))
    done = Smoke(at=now(), by=by, rows=rows, passed=not reason, through=through, reason=reason)
    return table.change(name, version, lambda found: versions.replace(found, smoke=done))


def load_all(pulled: Pulled) -> Model:
    """The default file as the server loads it, after each variant was; raise ModelRefused."""
    runtime = Runtime(device="cpu")
    for variant in pulled.metadata.variants:
        Model.load(pulled.metadata, pulled.directory / variant.file, variant=variant, runtime=runtime)
    return Model.load(pulled.metadata, pulled.model, runtime=runtime)


def through_server(server: Server, metadata: ModelMetadata, sample: Sample) -> str:
    """Why the server's answer is not the sample's, or nothing; raise ServerAway."""
    inputs = [
        {
            "name": spec.name,
            "datatype": spec.datatype,
            "shape": list(np.asarray(sample.inputs[spec.name]).shape),
            "data": sample.inputs[spec.name],
        }
        for spec in metadata.inputs
    ]
    path = f"{OPEN_INFERENCE_PREFIX}/models/{metadata.name}/versions/{metadata.version}/infer"
    headers = {"Content-Type": "application/json"}
    if server.key is not None:
        headers["Authorization"] = f"Bearer {server.key}"
    call = request.Request(
        f"{server.named}{path}", data=json.dumps({"inputs": inputs}).encode(), headers=headers, method="POST"
    )
    try:
        with request.urlopen(call, timeout=ANSWER_SECONDS) as answer:
            body = answer.read(MOST_ANSWER_BYTES)
    except failures.HTTPError as error:
        if error.code in (400, 413, 415, 422, 500):
            return f"the server answered the sample with status {error.code}"
        raise ServerAway(
            f"{server.named} answered {path} with status {error.code}: {_REMEDIES.get(error.code, _WAIT)}"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise ServerAway(f"{server.named} did not answer: {getattr(error, 'reason', None) or error}") from error
    try:
        return _difference(sample, msgspec.json.decode(body, type=_Answer))
    except msgspec.DecodeError:
        return "the server's answer is not one of the Open Inference Protocol"


_WAIT = "try again later"
_REMEDIES = {
    401: "give a key with --api-key",
    403: "give a key that may call the model",
    404: "let the server load the version first",
    429: "the key's rate limit is used up, try again later",
}


def _in_process(copy: Copy, trusted: TrustedKeys) -> str:
    with pulled_aside(copy, trusted=trusted) as pulled:
        try:
            load_all(pulled)
        except ModelRefused as error:
            return str(error)
    return ""


class _Output(msgspec.Struct):
    name: str
    shape: list[int]
    data: list[Any]


class _Answer(msgspec.Struct):
    """Of an inference, as the protocol has it in JSON."""

    outputs: list[_Output]


def _difference(sample: Sample, answer: _Answer) -> str:
    outputs = {output.name: output for output in answer.outputs}
    for name, expected in sample.outputs.items():
        found = outputs.get(name)
        if found is None:
            return f"the server's answer lacks the output {name!r}"
        try:
            got = np.asarray(found.data).reshape(found.shape)
        except ValueError:
            return f"the server's output {name!r} does not have the shape that it says"
        if not _alike(got, np.asarray(expected)):
            return f"the server does not answer the sample with the output {name!r} that it promises"
    return ""


def _alike(got: Any, wanted: Any) -> bool:
    if got.shape != wanted.shape:
        return False
    if np.issubdtype(wanted.dtype, np.floating):
        return np.allclose(got, wanted, rtol=SAMPLE_RELATIVE_TOLERANCE, atol=SAMPLE_ABSOLUTE_TOLERANCE, equal_nan=True)
    return bool(np.array_equal(got, wanted))
