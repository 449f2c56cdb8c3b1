"""The protocol's datatypes as NumPy types, what JSON may hold for each, and the refusal all of this package raises."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from serving import packing
from serving.messages import Refused
from serving.model import NUMPY_TYPES

_LARGEST_INT64 = 2**63 - 1


def bad_request(message: str) -> Refused:
    """What the client can mend. The message names the place itself: it is all that the protocol's errors hold."""
    return Refused(HTTPStatus.BAD_REQUEST, "invalid_request", message)


def dtype_of(datatype: str) -> np.dtype[Any]:
    """The type in memory, which is the type on the wire: little-endian. BYTES are `str` objects.

    The protocol sends FP16 as binary alone; as numbers in JSON it is exact too, so both are taken.
    """
    return np.dtype(NUMPY_TYPES[datatype]).newbyteorder("<")


def ranged_json_type(dtype: np.dtype[Any]) -> Any:
    """The type of one value in JSON for msgspec, with the range of the NumPy type as its constraint."""
    if dtype.kind in "bO":
        return packing.json_type(dtype)
    return _number(dtype) if dtype.kind == "f" else _integer(dtype)


def _number(dtype: np.dtype[Any]) -> Any:
    if dtype.itemsize == np.dtype(np.float64).itemsize:
        return float
    # From half a step beyond the largest value on, rounding gives infinity; below, the largest value.
    largest = np.finfo(dtype).max
    step = float(largest) - float(np.nextafter(largest, dtype.type(0)))
    limit = float(largest) + step / 2
    return Annotated[float, msgspec.Meta(gt=-limit, lt=limit)]


def _integer(dtype: npt.DTypeLike) -> Any:
    limits = np.iinfo(np.dtype(dtype).name)
    if int(limits.max) > _LARGEST_INT64:
        # msgspec compares within 64 bits with a sign; NumPy refuses what is larger.
        return Annotated[int, msgspec.Meta(ge=0)]
    return Annotated[int, msgspec.Meta(ge=int(limits.min), le=int(limits.max))]
