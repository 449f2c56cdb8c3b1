"""A model file of a common library as what is published: one ONNX file, its metadata, and a report of what was done.

Files that run or parse somebody's code are opened in a process apart (`frameworks/`), never here and never in a server.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from contract.metadata import ModelMetadata, Sample
from contract.objects import MODEL_FILE, InvalidName, Version, check_model_name
from ops.models import sample as samples
from ops.models.describe import Described, describe
from ops.models.frameworks import onnx_files, sandbox
from ops.models.frameworks.job import Comparison, Job, Limits, RowsFrom
from ops.models.frameworks.kinds import Kind, check_framework, kind_of
from ops.models.frameworks.refusal import NotTaken
from ops.models.publish import check
from serving.model import Array

__all__ = ["Limits", "NotTaken", "Preparation", "Prepared", "prepare"]

SAMPLE_ROWS_IN_METADATA = 16
SOURCE_DATE_EPOCH = "SOURCE_DATE_EPOCH"
_BOX = "conversion"


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a file, and what is known of the result."""

    source: str
    kind: Kind
    framework: str
    converted: bool
    comparison: Comparison | None
    """With the original's answers; None for a model that came as ONNX."""
    sample: RowsFrom
    """Where the rows come from that the model answered; of those made up follows only that it runs."""
    rows: int
    rows_in_metadata: int
    network_cut: bool | None
    """Whether the converting process was kept off the network; None where there was none."""
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `publish` takes."""

    onnx: Path
    metadata: ModelMetadata
    report: Preparation


@dataclass(frozen=True, kw_only=True)
class _Made:
    """An ONNX file in the work folder, and how it came there."""

    framework: str
    feature_names: tuple[str, ...] | None
    comparison: Comparison | None = None
    network_cut: bool | None = None
    notes: Sequence[str] = ()


def prepare(
    path: Path,
    work: Path,
    *,
    name: str,
    version: Version,
    framework: str | None = None,
    sample: Path | None = None,
    sample_in_metadata: bool = True,
    trust_pickle: bool = False,
    feature_names: Sequence[str] | None = None,
    dataset_version: str | None = None,
    git_sha: str | None = None,
    metrics: Mapping[str, float] | None = None,
    created_at: datetime | None = None,
    limits: Limits | None = None,
) -> Prepared:
    """Make the file at `path` ready to publish, in the folder `work`; raise NotTaken or PublishRefused.

    The same file and arguments give the same bytes: `created_at` is SOURCE_DATE_EPOCH unless given, or when the file
    was last changed.
    """
    _check_words(name, metrics or {})
    kind = kind_of(path)
    check_framework(kind, framework)
    if kind is Kind.PICKLE and not trust_pickle:
        raise NotTaken(
            f"{path.name} is a pickle, and opening one runs whatever code its writer put in: say --trust-pickle if you "
            "know who wrote it, or give the model in its library's own format or as ONNX"
        )
    written = created_at or _written_at(path)
    work.mkdir(parents=True, exist_ok=True)
    onnx = work / MODEL_FILE
    names = None if feature_names is None else tuple(feature_names)
    if kind is Kind.ONNX:
        notes = onnx_files.take(path, onnx)
        made = _Made(framework=framework or f"ONNX of {onnx_files.producer(onnx)}", feature_names=names, notes=notes)
    else:
        job = Job(
            file=str(path.resolve()),
            kind=kind,
            name=name,
            framework=framework,
            feature_names=names,
            sample=None if sample is None else str(sample.resolve()),
            limits=limits or Limits(),
        )
        made = _converted(job, work / _BOX, onnx)
    described = describe(onnx)
    rows, rows_from = _rows(described, sample, made.feature_names)
    kept, left_out = _sample(rows, described.answers(rows), rows_from) if sample_in_metadata else (None, [])
    metadata = ModelMetadata(
        name=name,
        version=version,
        created_at=written,
        framework=made.framework,
        git_sha=git_sha,
        dataset_version=dataset_version,
        inputs=described.inputs,
        outputs=described.outputs,
        feature_names=made.feature_names,
        metrics=dict(metrics or {}),
        sample=kept,
    )
    check(name, version, onnx, metadata)
    report = Preparation(
        source=path.name,
        kind=kind,
        framework=made.framework,
        converted=kind is not Kind.ONNX,
        comparison=made.comparison,
        sample=rows_from,
        rows=_count(rows),
        rows_in_metadata=0 if kept is None else _count(kept.inputs),
        network_cut=made.network_cut,
        notes=(*made.notes, *left_out),
    )
    return Prepared(onnx=onnx, metadata=metadata, report=report)


def _check_words(name: str, metrics: Mapping[str, float]) -> None:
    """Before anything that takes time."""
    try:
        check_model_name(name)
    except InvalidName as error:
        raise NotTaken(str(error)) from error
    odd = [metric for metric, value in metrics.items() if not math.isfinite(value)]
    if odd:
        raise NotTaken(f"the metric {odd[0]!r:.40} is no finite number: give one, or leave it out")


def _converted(job: Job, box: Path, target: Path) -> _Made:
    ran = sandbox.run(job, box)
    onnx_files.check_whole(ran.onnx)
    ran.onnx.replace(target)
    converted = ran.converted
    return _Made(
        framework=converted.framework,
        feature_names=converted.feature_names,
        comparison=converted.comparison,
        network_cut=ran.network_cut,
        notes=converted.notes,
    )


def _rows(
    described: Described, sample: Path | None, feature_names: Sequence[str] | None
) -> tuple[dict[str, Array], RowsFrom]:
    if sample is None:
        return samples.made_up(described.inputs), RowsFrom.MADE_UP
    return samples.read(sample, described.inputs, feature_names), RowsFrom.SAMPLE


def _sample(
    rows: Mapping[str, Array], answers: Mapping[str, Array], rows_from: RowsFrom
) -> tuple[Sample | None, list[str]]:
    """The first rows with their answers, and what is to be said where they cannot be kept."""
    odd = [name for name, values in answers.items() if values.dtype.kind == "f" and not np.isfinite(values).all()]
    if odd and rows_from is RowsFrom.SAMPLE:
        raise NotTaken(
            f"the model answers rows of the sample with NaN or infinity in {', '.join(odd)}, which no answer to a "
            "client can hold: correct the model, or leave those rows out"
        )
    if odd:
        return None, ["made-up rows are answered with NaN or infinity, and are left out of the metadata: give a sample"]
    first = slice(0, SAMPLE_ROWS_IN_METADATA)
    return Sample(
        inputs={name: values[first].tolist() for name, values in rows.items()},
        outputs={name: values[first].tolist() for name, values in answers.items()},
    ), []


def _count(rows: Mapping[str, Sequence[object] | Array]) -> int:
    return len(next(iter(rows.values())))


def _written_at(path: Path) -> datetime:
    """The time that reproducible builds fix, or when the file was last changed."""
    said = os.environ.get(SOURCE_DATE_EPOCH)
    try:
        return datetime.fromtimestamp(int(path.stat().st_mtime) if said is None else int(said), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise NotTaken(f"{SOURCE_DATE_EPOCH} is {said!r:.40}: set it to seconds since 1970, or unset it") from error
