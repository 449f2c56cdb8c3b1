"""The demonstration: a real model published into the provisioned bucket, served, checked, and followed by others."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from contract import service
from contract.access import MOST_REQUESTS_PER_MINUTE
from contract.objects import Version
from localcloud.coverage import Coverage, coverage_of
from localcloud.pod import Pod, serving_pod
from localcloud.world import LocalWorld
from ops import demo_canary, demo_model
from ops.demo_canary import Trial
from ops.demo_model import DemoModel
from ops.keys import ApiKeys
from ops.models.publish import PublishedModel, publish

VERSION = Version(1, 0, 0)
USER = "demo"
ROWS_SHOWN = 8
ROWS_A_REQUEST = 32


class CallRefused(Exception):
    """The server did not answer a prediction's request with a prediction; the message holds what it said."""


class Mismatch(Exception):
    """The server answered something other than onnxruntime does on the same rows."""


@dataclass(frozen=True)
class Prediction:
    """One row's answer by the server and by onnxruntime itself: the class, and the probability of class 1."""

    served_class: int
    served_probability: float
    own_class: int
    own_probability: float

    @property
    def equal(self) -> bool:
        # Bit for bit: JSON carries enough digits to give a float32 back exactly.
        return self.served_class == self.own_class and bool(
            np.float32(self.served_probability) == np.float32(self.own_probability)
        )


@dataclass(frozen=True)
class Result:
    """What the demonstration saw."""

    published: PublishedModel
    accuracy: float
    served_version: str
    predictions: list[Prediction]
    seconds_to_serve: float
    trials: list[Trial] | None
    """None where no further versions were tried."""
    coverage: Coverage
    kubernetes: Counter[str]
    links: dict[str, str]

    def as_json(self) -> str:
        return json.dumps(
            {
                "model": {
                    "name": self.published.name,
                    "version": str(self.published.version),
                    "accuracy": self.accuracy,
                },
                "object": f"s3://{self.published.bucket}/{self.published.prefix}",
                "served_version": self.served_version,
                "predictions": len(self.predictions),
                "equal": sum(prediction.equal for prediction in self.predictions),
                "canaries": msgspec.to_builtins(self.trials),
                "aws": json.loads(self.coverage.as_json()),
                "kubernetes": dict(sorted(self.kubernetes.items())),
                "links": self.links,
            },
            indent=2,
        )


def serve_and_compare(
    world: LocalWorld, progress: Console, wait: Callable[[], None] | None = None, *, canaries: bool = True
) -> Result:
    """Train, publish, serve, predict, compare and try further versions; `wait` runs while all is up.

    Raises Mismatch if one answer differs, CallRefused if there is none, Unexpected if a canary ends as it should not.
    """
    with progress.status("training a model and publishing it"):
        model = demo_model.train(VERSION)
        published = publish_first(world, model)
        # Before the pod reads them: a later key is good only once the table is read again.
        key = issue_key(world, model)
    with progress.status("starting the server"):
        began = time.monotonic()
        with serving_pod(world, model.metadata.name) as pod:
            seconds = time.monotonic() - began
            compared = _compare(world, pod, key, model, published, seconds)
            trials = demo_canary.try_versions(world, model, key, pod, progress) if canaries else None
            result = replace(compared, trials=trials)
            wrong = [index for index, prediction in enumerate(result.predictions) if not prediction.equal]
            if wrong:
                raise Mismatch(f"{len(wrong)} of {len(result.predictions)} predictions differ, first at row {wrong[0]}")
            if wait is not None:
                for name, link in result.links.items():
                    progress.print(f"{name}: {link}", highlight=False)
                progress.print(_example(pod, key, model), markup=False, highlight=False, soft_wrap=True)
                wait()
    return result


def issue_key(world: LocalWorld, model: DemoModel) -> str:
    """A key for the model that allows as many requests as one machine sends."""
    key, _ = ApiKeys(world.dynamodb(), world.keys_table).issue(
        user_id=USER, scopes=[model.metadata.name], requests_per_minute=MOST_REQUESTS_PER_MINUTE
    )
    return key


def publish_first(world: LocalWorld, model: DemoModel) -> PublishedModel:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.onnx)
        return publish(world.s3(), world.models_bucket, model.metadata.name, VERSION, path, model.metadata)


def _example(pod: Pod, key: str, model: DemoModel) -> str:
    """A whole call to paste into a shell. The key in it is good for this account alone, which ends with the run."""
    body = json.dumps({"instances": model.holdout_rows[:1]})
    return (
        f"curl {pod.url}{service.PREDICT_PATH} -H 'Content-Type: application/json' "
        f"-H 'Authorization: Bearer {key}' -d '{body}'"
    )


def _compare(
    world: LocalWorld, pod: Pod, key: str, model: DemoModel, published: PublishedModel, seconds: float
) -> Result:
    labels, probabilities, version = _served(pod, key, model.holdout_rows)
    own_labels, own_probabilities = _own(model)
    predictions = [
        Prediction(*values) for values in zip(labels, probabilities, own_labels, own_probabilities, strict=True)
    ]
    return Result(
        published=published,
        accuracy=model.accuracy,
        served_version=version,
        predictions=predictions,
        trials=None,
        seconds_to_serve=seconds,
        coverage=coverage_of(world.graph),
        kubernetes=Counter(node.type.rsplit(":", 1)[-1] for node in world.graph if node.is_kubernetes),
        links={
            "predictions": f"{pod.url}{service.PREDICT_PATH}",
            "health": f"{pod.probe_url}{service.HEALTH_PATH}",
            "metrics": f"{pod.probe_url}{service.METRICS_PATH}",
            "AWS account": f"{world.endpoint}/moto-api/",
        },
    )


def _served(pod: Pod, key: str, rows: list[list[float]]) -> tuple[list[int], list[float], str]:
    labels: list[int] = []
    probabilities: list[float] = []
    version = ""
    for start in range(0, len(rows), ROWS_A_REQUEST):
        answer = _predict(pod.url, key, rows[start : start + ROWS_A_REQUEST])
        version = answer["model_version"]
        labels += answer["outputs"]["label"]
        probabilities += [pair[1] for pair in answer["outputs"]["probabilities"]]
    return labels, probabilities, version


def _predict(url: str, key: str, rows: list[list[float]]) -> dict[str, Any]:
    request = urllib.request.Request(
        url + service.PREDICT_PATH,
        data=json.dumps({"instances": rows}).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return cast(dict[str, Any], json.load(answer))
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        raise CallRefused(f"{service.PREDICT_PATH} was answered {error.code}: {said}") from error


def _own(model: DemoModel) -> tuple[list[int], list[float]]:
    runtime = cast(Any, onnxruntime)
    options = runtime.SessionOptions()
    # As the server runs it: several threads add up in another order, and so round differently.
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.onnx, options, providers=["CPUExecutionProvider"])
    rows = np.asarray(model.holdout_rows, dtype=np.float32)
    labels, probabilities = session.run(["label", "probabilities"], {demo_model.INPUT: rows})
    return labels.tolist(), probabilities[:, 1].tolist()


def show(result: Result, console: Console) -> None:
    """The result as tables: what was provisioned, and the predictions beside onnxruntime's own."""
    console.print(result.coverage.as_table())
    objects = Table(title="Kubernetes objects, recorded as manifests")
    objects.add_column("kind")
    objects.add_column("count", justify="right")
    for kind, count in sorted(result.kubernetes.items()):
        objects.add_row(kind, str(count))
    console.print(objects)
    published = result.published
    console.print(
        f"published s3://{published.bucket}/{published.prefix} (accuracy {result.accuracy:.3f} on held-out rows), "
        f"served as version {result.served_version} {result.seconds_to_serve:.1f} s after the server's start",
        highlight=False,
    )
    table = Table(title="Predictions by the server, beside onnxruntime's own on the same rows")
    for column in ("row", "class", "probability", "onnxruntime", "probability", "equal"):
        table.add_column(column, justify="right")
    for index, prediction in enumerate(result.predictions[:ROWS_SHOWN]):
        table.add_row(
            str(index),
            str(prediction.served_class),
            f"{prediction.served_probability:.6f}",
            str(prediction.own_class),
            f"{prediction.own_probability:.6f}",
            "yes" if prediction.equal else "no",
        )
    console.print(table)
    equal = sum(prediction.equal for prediction in result.predictions)
    if result.trials is not None:
        demo_canary.show(result.trials, console)
    console.print(f"{equal} of {len(result.predictions)} predictions equal onnxruntime's own", style="bold green")
