"""The binary tensor extension: where the JSON of a body ends, and tensors as raw little-endian bytes after it.

Elements lie row by row without padding. BOOL takes a byte of 0 or 1; each element of BYTES is preceded by its length as
four bytes. Numbers are read in place: an array shares the memory of the body.
"""

from __future__ import annotations

import struct
from typing import Any, cast

import numpy as np

from serving.model import Array
from serving.oip.datatypes import bad_request
from serving.packing import all_finite

HEADER_LENGTH_HEADER = b"inference-header-content-length"
BINARY_TYPE = b"application/octet-stream"

_LENGTH = struct.Struct("<I")


def header_length(value: bytes | None, body: bytes) -> int:
    """How many bytes of the body are JSON: what the header says, or all of them without one; raise Refused."""
    if value is None:
        return len(body)
    # More digits than any body could need are no length, and would take long to read as a number.
    if not value.isdigit() or len(value) > len(str(len(body))) or int(value) > len(body):
        raise bad_request(
            "Inference-Header-Content-Length must be the number of bytes of the JSON, at most that of the whole body"
        )
    return int(value)


def read_tensor(body: bytes, start: int, size: int, dtype: np.dtype[Any], count: int, where: str) -> Array:
    """`count` elements from the `size` bytes at `start`, as one dimension; raise Refused."""
    if start + size > len(body):
        raise bad_request(f"{where} has fewer bytes in the body than its binary_data_size")
    if dtype.kind == "O":
        return _read_texts(body, start, start + size, count, where)
    if size != count * dtype.itemsize:
        raise bad_request(
            f"{where} has a binary_data_size of {size}, its shape and datatype need {count * dtype.itemsize}"
        )
    array = np.frombuffer(body, dtype, count, start)
    if not array.flags.aligned:
        # The runtime computes on aligned memory, and where a tensor begins depends on the length of the JSON.
        array = array.copy()
    if dtype.kind == "f" and not all_finite(array):
        raise bad_request(f"{where} holds NaN or an infinite value: send finite numbers")
    if dtype.kind == "b" and array.view(np.uint8).max() > 1:
        raise bad_request(f"{where} holds a byte that is neither 0 nor 1, the values of BOOL")
    return array


def write_tensor(array: Array, dtype: np.dtype[Any]) -> bytes:
    if dtype.kind != "O":
        return array.astype(dtype, copy=False).tobytes()
    parts: list[bytes] = []
    for element in cast(list[str], array.ravel().tolist()):
        data = element.encode()
        parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)


def _read_texts(body: bytes, start: int, end: int, count: int, where: str) -> Array:
    texts: list[str] = []
    while start < end:
        if start + _LENGTH.size > end:
            raise _wrong_elements(where)
        (length,) = _LENGTH.unpack_from(body, start)
        start += _LENGTH.size
        if start + length > end:
            raise _wrong_elements(where)
        try:
            texts.append(body[start : start + length].decode())
        except UnicodeDecodeError:
            raise bad_request(f"{where}[{len(texts)}] is not UTF-8, which this model's BYTES are") from None
        start += length
    if len(texts) != count:
        raise _wrong_elements(where)
    return np.array(texts, dtype=object)


def _wrong_elements(where: str) -> Exception:
    return bad_request(
        f"{where} does not hold exactly the elements of its shape, each after its length as 4 little-endian bytes"
    )
