"""`variants` in a model's metadata: the same model in files of other precision, beside the one that always is there."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE
from contract.signature import SIGNATURE_FILE

PRECISIONS = ("fp32", "fp16", "bf16", "int8", "int4")
"""In which the weights are kept, or computed with."""

MAX_TOLERANCE = 1.0

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}\.onnx")
_OTHERS = (MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE, SIGNATURE_FILE)


class InvalidVariants(ValueError):
    """Variants that break the shape; the message names the field, what stands there and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One more file of a version, with the same inputs and outputs."""

    name: str
    file: str
    precision: str
    tolerance: float | None = None
    """How far its answers to the sample may lie from those of the default file, relative or absolute; None: no
    farther than another processor's rounding."""


def parse(values: Sequence[Any]) -> tuple[Variant, ...]:
    """Raise InvalidVariants."""
    variants = tuple(_variant(value, f"variants[{index}]") for index, value in enumerate(values))
    for what, given in (("name", [v.name for v in variants]), ("file", [v.file for v in variants])):
        if len(set(given)) != len(given):
            raise InvalidVariants(f"variants have the {what}s {given}: give each its own")
    return variants


def _variant(value: object, where: str) -> Variant:
    if not isinstance(value, dict):
        raise InvalidVariants(f"{where} holds {value!r:.40} where an object belongs")
    fields = dict(cast(dict[str, Any], value))
    name, file, precision = (_text(fields, field, where) for field in ("name", "file", "precision"))
    tolerance = fields.pop("tolerance", None)
    if fields:
        raise InvalidVariants(f"{where} has unknown fields: {', '.join(sorted(fields))}")
    if _NAME.fullmatch(name) is None:
        raise InvalidVariants(f"{where} has name {name!r:.40}: use 1 to 32 lower-case letters, digits, inner hyphens")
    if _FILE.fullmatch(file) is None or file in _OTHERS:
        raise InvalidVariants(f"{where} has file {file!r:.40}: use a plain name that ends in .onnx, not {MODEL_FILE}")
    if precision not in PRECISIONS:
        raise InvalidVariants(f"{where} has precision {precision!r:.40}: use one of {', '.join(PRECISIONS)}")
    if tolerance is not None and not _is_tolerance(tolerance):
        raise InvalidVariants(f"{where} has tolerance {tolerance!r:.40}: use a number above 0, at most {MAX_TOLERANCE}")
    return Variant(name=name, file=file, precision=precision, tolerance=tolerance)


def _text(fields: dict[str, Any], field: str, where: str) -> str:
    value = fields.pop(field, None)
    if not isinstance(value, str):
        raise InvalidVariants(f"{where} has {value!r:.40} for {field!r}, which must be a string")
    return value


def _is_tolerance(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 < value <= MAX_TOLERANCE
