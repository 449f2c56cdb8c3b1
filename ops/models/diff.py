"""What changed from one version to another: their descriptions, their files, and their answers to the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import CHECKSUMS_FILE, Version
from contract.signature import SIGNATURE_FILE
from ops.models import places
from ops.models.places import Copy
from ops.models.pull import pulled_aside
from ops.models.reading import promise_of
from ops.models.smoke import load_all
from ops.platform import Platform
from serving.model import SAMPLE_ABSOLUTE_TOLERANCE, SAMPLE_RELATIVE_TOLERANCE, InferenceFailed, Model, array_of
from serving.signature import TrustedKeys

_NO_MODEL_FILES = (CHECKSUMS_FILE, SIGNATURE_FILE)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that is said of both versions; equal where nothing changed."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number of either version; None where it has none of that name."""

    name: str
    before: float | None
    after: float | None

    @property
    def change(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, kw_only=True)
class AnswersDiffer:
    """Of one output, over the same rows."""

    output: str
    rows: int
    differing: int
    largest_difference: float | None
    """None where the output is no number, or has another shape."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`answers` is None where they were not compared, for the reason given."""

    changes: tuple[Change, ...]
    metrics: tuple[Figure, ...]
    bytes: tuple[Figure, ...]
    answers: tuple[AnswersDiffer, ...] | None
    not_compared: str = ""


def diff(
    platform: Platform, name: str, before: Version, after: Version, *, trusted: TrustedKeys, answers: bool = True
) -> Difference:
    """Compare two versions; with `answers` both are loaded here, and answer the sample of the later one.

    Raises NoVersion, CopyCorrupt, ModelRefused or StoreUnreachable.
    """
    looked = (*places.production(platform), places.staging(platform))
    copies = tuple(places.whole_copy(looked, name, version) for version in (before, after))
    one, other = (promise_of(copy, trusted).metadata for copy in copies)
    compared, why_not = (None, "answers were not asked for")
    if answers:
        compared, why_not = _answers(copies[0], copies[1], one, other, trusted)
    return Difference(
        changes=_changes(one, other),
        metrics=_figures(one.metrics, other.metrics),
        bytes=_figures(_sizes(copies[0]), _sizes(copies[1])),
        answers=compared,
        not_compared=why_not,
    )


def _changes(one: ModelMetadata, other: ModelMetadata) -> tuple[Change, ...]:
    said = {
        "inputs": (_signature(one.inputs), _signature(other.inputs)),
        "outputs": (_signature(one.outputs), _signature(other.outputs)),
        "feature names": (_named(one.feature_names), _named(other.feature_names)),
        "framework": (one.framework, other.framework),
        "dataset version": (one.dataset_version or "", other.dataset_version or ""),
        "git sha": (one.git_sha or "", other.git_sha or ""),
        "created at": (one.created_at.isoformat(), other.created_at.isoformat()),
        "variants": (_named([v.name for v in one.variants]), _named([v.name for v in other.variants])),
    }
    return tuple(Change(what=what, before=a, after=b) for what, (a, b) in said.items())


def _signature(tensors: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{tensor.name} {tensor.datatype} {list(tensor.shape)}" for tensor in tensors)


def _named(names: Any) -> str:
    return ", ".join(names or ())


def _sizes(copy: Copy) -> dict[str, float]:
    return {file: listed.bytes for file, listed in copy.files.items() if file not in _NO_MODEL_FILES}


def _figures(one: Mapping[str, float], other: Mapping[str, float]) -> tuple[Figure, ...]:
    return tuple(
        Figure(name=name, before=one.get(name), after=other.get(name)) for name in dict.fromkeys([*one, *other])
    )


def _answers(
    copy: Copy, other_copy: Copy, one: ModelMetadata, other: ModelMetadata, trusted: TrustedKeys
) -> tuple[tuple[AnswersDiffer, ...] | None, str]:
    if other.sample is None:
        return None, f"{other.version} has no sample rows"
    if one.inputs != other.inputs:
        return None, "they take other inputs"
    rows = {spec.name: array_of(spec, other.sample.inputs[spec.name]) for spec in other.inputs}
    with pulled_aside(copy, trusted=trusted) as first, pulled_aside(other_copy, trusted=trusted) as second:
        before, after = (_answer(load_all(pulled), rows) for pulled in (first, second))
    if before is None or after is None:
        return None, "one of them cannot answer the rows"
    return tuple(_differing(name, before[name], after[name]) for name in before if name in after), ""


def _answer(model: Model, rows: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        return model.predict(rows)
    except InferenceFailed:
        return None


def _differing(output: str, before: Any, after: Any) -> AnswersDiffer:
    rows = len(after)
    if before.shape != after.shape:
        return AnswersDiffer(output=output, rows=rows, differing=rows, largest_difference=None)
    if not np.issubdtype(after.dtype, np.number):
        same = before == after
        largest = None
    else:
        same = np.isclose(before, after, rtol=SAMPLE_RELATIVE_TOLERANCE, atol=SAMPLE_ABSOLUTE_TOLERANCE, equal_nan=True)
        apart = np.abs(before.astype(np.float64) - after.astype(np.float64))
        largest = float(np.nanmax(apart)) if apart.size and not np.isnan(apart).all() else 0.0
    alike = np.asarray(same).reshape(rows, -1).all(axis=1)
    return AnswersDiffer(output=output, rows=rows, differing=int(rows - alike.sum()), largest_difference=largest)
