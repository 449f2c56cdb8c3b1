"""`metadata.json`: what a model version is called, takes and returns, and how it came to be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import prod
from typing import Any, TypeVar, cast

from contract import features, variants
from contract.features import Features, InvalidFeatures
from contract.objects import METADATA_FILE, InvalidName, Version, check_model_name
from contract.variants import InvalidVariants, Variant

SCHEMA_VERSION = 1

# Open Inference Protocol v2, "Tensor Data Types", without BF16: NumPy has no such type, so neither the protocol's JSON
# nor ONNX Runtime's Python interface can be given its values. A variant may compute in it.
DATATYPES = (
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BYTES",
)


_LATER_FIELDS = ("features", "variants")
# A name is also a field of a JSON object in requests; msgspec takes no other characters for one.
_NO_FIELD = re.compile(r'["\\\x00-\x1f\x7f]')

_T = TypeVar("_T")


class InvalidMetadata(ValueError):
    """Metadata that breaks the shape; the message names the field, what stands there and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One input or output: `shape` has -1 where a dimension is free, and its first dimension counts rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def values_per_row(self) -> int | None:
        """How many values one row holds, or None where another dimension than the first is free."""
        row = self.shape[1:]
        return None if -1 in row else prod(row)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A few rows and what the model answers to them, by tensor name. Never rows of real people: this is not secret."""

    inputs: dict[str, list[Any]]
    outputs: dict[str, list[Any]]


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """Everything a reader may want to know of a version without opening the model."""

    name: str
    version: Version
    created_at: datetime
    framework: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    git_sha: str | None = None
    dataset_version: str | None = None
    feature_names: tuple[str, ...] | None = None
    metrics: dict[str, float] = field(default_factory=lambda: dict[str, float]())
    sample: Sample | None = None
    features: Features | None = None
    """Where the columns of the input are looked up, when a request names entities in place of rows."""
    variants: tuple[Variant, ...] = ()
    """Files besides the default one that answer alike, in another precision."""

    def variant(self, name: str) -> Variant | None:
        """The variant of that name, or None where this version does not list it."""
        return next((variant for variant in self.variants if variant.name == name), None)


def render(metadata: ModelMetadata) -> bytes:
    """The document as it lies in the bucket, the same bytes for the same metadata."""
    document = {"schema_version": SCHEMA_VERSION, **asdict(metadata)}
    for name in _LATER_FIELDS:
        if not document[name]:
            # Versions that were published before the field existed stay the same bytes.
            del document[name]
    document["version"] = str(metadata.version)
    document["created_at"] = metadata.created_at.isoformat()
    return json.dumps(document, indent=2, allow_nan=False).encode() + b"\n"


def parse(data: bytes) -> ModelMetadata:
    """Read a document; raise InvalidMetadata with the field at fault."""
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidMetadata(f"{METADATA_FILE} is not a JSON document: {error}") from None
    reader = _Fields(document, METADATA_FILE)
    schema_version = reader.take("schema_version", int)
    if schema_version != SCHEMA_VERSION:
        raise InvalidMetadata(
            f"{METADATA_FILE} has schema_version {schema_version}, only {SCHEMA_VERSION} is known: publish it again"
        )
    sample = reader.optional_object("sample")
    looked_up = reader.optional_object("features")
    listed = reader.optional_list("variants")
    feature_names = reader.optional_list("feature_names")
    metadata = ModelMetadata(
        name=_name(reader),
        version=_version(reader),
        created_at=_created_at(reader),
        framework=reader.take("framework", str),
        git_sha=reader.optional("git_sha", str),
        dataset_version=reader.optional("dataset_version", str),
        inputs=_tensors(reader, "inputs"),
        outputs=_tensors(reader, "outputs"),
        feature_names=None if feature_names is None else _strings(feature_names, "feature_names"),
        metrics=_metrics(reader.optional_object("metrics") or {}),
        sample=None if sample is None else _sample(sample),
        features=None if looked_up is None else _features(looked_up),
        variants=() if listed is None else _variants(listed),
    )
    reader.refuse_the_rest()
    _check_feature_names(metadata)
    _check_features(metadata)
    return metadata


class _Fields:
    """A JSON object read field by field, each at most once, so that what is left over is what is not known."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise InvalidMetadata(f"{where} holds {value!r:.40} where an object belongs")
        self._left = dict(cast(dict[str, Any], value))
        self._where = where

    def take(self, name: str, kind: type[_T]) -> _T:
        value = self.optional(name, kind)
        if value is None:
            raise InvalidMetadata(f"{self._where} has no {name!r}, which must be of type {kind.__name__}")
        return value

    def optional(self, name: str, kind: type[_T]) -> _T | None:
        value = self._left.pop(name, None)
        # JSON's true is an int to Python; no field here is a boolean.
        if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
            return value
        raise InvalidMetadata(f"{self._where} has {value!r:.40} for {name!r}, which must be of type {kind.__name__}")

    def optional_object(self, name: str) -> dict[str, Any] | None:
        return cast(dict[str, Any] | None, self.optional(name, cast(type[object], dict)))

    def optional_list(self, name: str) -> list[Any] | None:
        return cast(list[Any] | None, self.optional(name, cast(type[object], list)))

    def refuse_the_rest(self) -> None:
        if self._left:
            raise InvalidMetadata(f"{self._where} has unknown fields: {', '.join(sorted(self._left))}")


def _name(reader: _Fields) -> str:
    try:
        return check_model_name(reader.take("name", str))
    except InvalidName as error:
        raise InvalidMetadata(f"{METADATA_FILE}: {error}") from None


def _version(reader: _Fields) -> Version:
    try:
        return Version.parse(reader.take("version", str))
    except InvalidName as error:
        raise InvalidMetadata(f"{METADATA_FILE}: {error}") from None


def _created_at(reader: _Fields) -> datetime:
    text = reader.take("created_at", str)
    try:
        created_at = datetime.fromisoformat(text)
    except ValueError:
        created_at = None
    if created_at is None or created_at.tzinfo is None:
        raise InvalidMetadata(
            f"{METADATA_FILE} has created_at {text!r:.40}: write an ISO 8601 time with its offset, "
            "such as 2026-01-31T12:00:00+00:00"
        )
    return created_at


def _tensors(reader: _Fields, field_name: str) -> tuple[TensorSpec, ...]:
    values = reader.optional_list(field_name) or []
    tensors = tuple(_tensor(value, f"{field_name}[{index}]") for index, value in enumerate(values))
    names = [tensor.name for tensor in tensors]
    _check_names(names, field_name)
    if not names or len(set(names)) != len(names):
        raise InvalidMetadata(f"{METADATA_FILE} has {names} for {field_name!r}: name at least one, and each only once")
    return tensors


def _tensor(value: object, where: str) -> TensorSpec:
    reader = _Fields(value, f"{METADATA_FILE} {where}")
    name, datatype = reader.take("name", str), reader.take("datatype", str)
    shape = reader.optional_list("shape") or []
    reader.refuse_the_rest()
    if datatype not in DATATYPES:
        raise InvalidMetadata(f"{METADATA_FILE} {where} has datatype {datatype!r}: use one of {', '.join(DATATYPES)}")
    sizes = tuple(size for size in shape if type(size) is int and (size > 0 or size == -1))
    if len(sizes) != len(shape) or not sizes or sizes[0] != -1:
        raise InvalidMetadata(
            f"{METADATA_FILE} {where} has shape {shape}: start with -1 for the rows, then sizes from 1 up or -1"
        )
    return TensorSpec(name=name, datatype=datatype, shape=sizes)


def _strings(values: list[Any], field_name: str) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise InvalidMetadata(f"{METADATA_FILE} has something else than strings in {field_name!r}")
    return tuple(values)


def _metrics(values: Mapping[str, Any]) -> dict[str, float]:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidMetadata(f"{METADATA_FILE} has {value!r:.40} for the metric {name!r}, which must be a number")
    return {name: float(value) for name, value in values.items()}


def _sample(value: dict[str, Any]) -> Sample:
    reader = _Fields(value, f"{METADATA_FILE} sample")
    inputs, outputs = reader.optional_object("inputs"), reader.optional_object("outputs")
    reader.refuse_the_rest()
    if not inputs or not outputs:
        raise InvalidMetadata(f"{METADATA_FILE} has a sample without inputs or without outputs: give both or neither")
    return Sample(inputs=inputs, outputs=outputs)


def _check_feature_names(metadata: ModelMetadata) -> None:
    names, columns = metadata.feature_names, metadata.inputs[0].values_per_row
    if names is not None and (len(metadata.inputs) != 1 or columns != len(names)):
        raise InvalidMetadata(
            f"{METADATA_FILE} has {len(names)} feature_names for an input of {columns} columns: "
            "name every column of the one input, or leave them out"
        )
    if names is not None:
        _check_names(names, "feature_names")
        if len(set(names)) != len(names):
            raise InvalidMetadata(f"{METADATA_FILE} has a name twice in 'feature_names': give every column its own")


def _check_names(names: Sequence[str], field_name: str) -> None:
    for name in names:
        if not name or _NO_FIELD.search(name):
            raise InvalidMetadata(
                f"{METADATA_FILE} has the name {name!r:.40} in {field_name!r}: it must not be empty, "
                "nor hold quotation marks, backslashes or control characters"
            )


def _variants(values: list[Any]) -> tuple[Variant, ...]:
    try:
        return variants.parse(values)
    except InvalidVariants as error:
        raise InvalidMetadata(f"{METADATA_FILE} {error}") from None


def _features(value: dict[str, Any]) -> Features:
    try:
        return features.parse(value)
    except InvalidFeatures as error:
        raise InvalidMetadata(f"{METADATA_FILE} {error}") from None


def _check_features(metadata: ModelMetadata) -> None:
    if metadata.features is None:
        return
    rows = metadata.inputs[0]
    if len(metadata.inputs) != 1 or len(rows.shape) != 2:
        raise InvalidMetadata(f"{METADATA_FILE} has features for a model without one input of shape [-1, columns]")
    try:
        features.check_input(metadata.features, rows.datatype, rows.values_per_row)
    except InvalidFeatures as error:
        raise InvalidMetadata(f"{METADATA_FILE} {error}") from None
