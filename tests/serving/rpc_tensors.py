"""Tensors that gRPC calls carry, and the field that each datatype goes by."""

from __future__ import annotations

from typing import Any

from serving.rpc import open_inference_pb2 as pb
from tests.serving.oip_versions import raw, spec
from tests.serving.rpc_server import tensor

FEATURES = spec("features", "FP32", -1, 2)
TWO_ROWS = [tensor("b", "INT64", [2]), tensor("a", "FP32", [2, 2])]
TWO_RAW = [raw([7, 8], "INT64"), raw([1, 2, 3, 4], "FP32")]
ROW, ROW_RAW = tensor("features", "FP32", [1, 2]), raw([1.5, 2], "FP32")
FIELDS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def parameter(**choice: Any) -> pb.InferParameter:
    return pb.InferParameter(**choice)
