"""What the converting process is asked for and what it answers, as the two JSON documents that pass between them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec

from ops.models.frameworks.kinds import Kind

JOB_FILE = "job.json"
OUTCOME_FILE = "outcome.json"
CONVERTED_FILE = "converted.onnx"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much the process may take before it is ended."""

    seconds: int = 300
    memory_mib: int = 8192
    """Of address space, of which libraries reserve more than they use."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One file to convert. The process writes into its own folder, whose name it gets as an argument."""

    file: str
    kind: Kind
    name: str
    framework: str | None
    feature_names: tuple[str, ...] | None
    sample: str | None
    limits: Limits

    @property
    def title(self) -> str:
        """The file's name, as messages give it."""
        return Path(self.file).name


class RowsFrom(StrEnum):
    """Where the rows come from that the model was tried on."""

    SAMPLE = "sample"
    MADE_UP = "made up"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How the ONNX model's answers lie beside the original's."""

    rows: int
    rows_from: RowsFrom
    outputs: tuple[str, ...]
    largest_difference: float
    """Over all outputs that are no labels: those were equal."""
    undecided: int
    """Rows whose label is another one because the original holds two classes equally probable there."""


class Converted(msgspec.Struct, frozen=True, kw_only=True, tag="converted", tag_field="outcome"):
    """The ONNX file lies in the folder."""

    framework: str
    """With its version, such as `lightgbm 4.7.0`."""
    feature_names: tuple[str, ...] | None
    comparison: Comparison
    notes: tuple[str, ...]


class NotConverted(msgspec.Struct, frozen=True, kw_only=True, tag="refused", tag_field="outcome"):
    """The file is not taken, and why."""

    message: str


Outcome = Converted | NotConverted
