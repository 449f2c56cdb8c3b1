"""Formats of rows for any inputs, and what they read or refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import Version
from serving.wire import InvalidRequest, RowFormat
from tests.serving.oip_versions import spec

MAX_ROWS = 10
MARKER = "marker-4711"


def rows_of(
    *inputs: TensorSpec,
    columns: tuple[str, ...] | None = None,
    entities: bool = False,
    outputs: tuple[str, ...] = ("y",),
) -> RowFormat:
    metadata = ModelMetadata(
        name="any",
        version=Version(1, 0, 0),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        framework="none",
        inputs=inputs,
        outputs=tuple(TensorSpec(name=name, datatype="FP32", shape=(-1,)) for name in outputs),
        feature_names=columns,
    )
    return RowFormat(metadata, max_rows=MAX_ROWS, entities=entities)


def read(rows: RowFormat, document: Any) -> dict[str, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    inputs = rows.read(body)
    assert isinstance(inputs, dict)
    return inputs


def fault(rows: RowFormat, document: Any) -> tuple[str, str | None]:
    with pytest.raises(InvalidRequest) as raised:
        read(rows, document)
    assert MARKER not in raised.value.message
    assert raised.value.field is None or raised.value.field in raised.value.message or raised.value.code == "wrong_type"
    return raised.value.code, raised.value.field


NAMED = rows_of(spec("x", "FP32", -1, 2), columns=("mean radius", "größe"))
SEVERAL = rows_of(spec("tokens", "INT64", -1, -1), spec("weight", "FP32", -1), spec("label", "BYTES", -1, 1))
