"""The JSON of an inference request as msgspec types; a tensor's data stays raw until its datatype is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain, starmap
from typing import Annotated, Any

import msgspec
import numpy as np

from serving import packing
from serving.messages import Refused
from serving.model import Array
from serving.oip.datatypes import bad_request, ranged_json_type

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_BRACKETS = re.compile(rb"(?:\s*\[)*")
_ENCODER = msgspec.json.Encoder()
encode = _ENCODER.encode

NO_DATA = msgspec.Raw()
# Sizes beyond what can be counted in 64 bits are refused before anything is computed from them or said about them.
_Size = Annotated[int, msgspec.Meta(le=2**63 - 1)]


class Extensions(msgspec.Struct, gc=False):
    """Parameters of Triton's extensions that change what is computed: refused, as ignoring them would answer wrongly.

    Other parameters that are not known are read past, as the protocol leaves them to whoever understands them.
    """

    shared_memory_region: msgspec.Raw = NO_DATA
    classification: msgspec.Raw = NO_DATA


class InputParameters(Extensions, gc=False):
    binary_data_size: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


class OutputParameters(Extensions, gc=False):
    binary_data: bool | None = None


class RequestParameters(msgspec.Struct, gc=False):
    binary_data_output: bool | None = None


class Input(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    name: str
    shape: list[_Size]
    datatype: str
    data: msgspec.Raw = NO_DATA
    parameters: InputParameters | None = None


class RequestedOutput(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    name: str
    parameters: OutputParameters | None = None


class InferRequest(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """`model_name` and `model_version` are sent by some clients; the path decides."""

    inputs: list[Input]
    outputs: list[RequestedOutput] | None = None
    id: str | None = None
    parameters: RequestParameters | None = None
    model_name: str | None = None
    model_version: str | None = None


_REQUEST = msgspec.json.Decoder(InferRequest)


def read_request(data: bytes | memoryview) -> InferRequest:
    """Everything but the tensors' data; raise Refused."""
    try:
        return _REQUEST.decode(data)
    except msgspec.ValidationError as error:
        raise fault(error) from None
    except (ValueError, RecursionError):
        raise _no_json() from None


def error_body(message: str) -> bytes:
    return encode({"error": message})


class DataReader:
    """Reads the `data` of one input: a flat list in row-major order, or lists nested as deep as the shape is long."""

    def __init__(self, dtype: np.dtype[Any], rank: int) -> None:
        self._dtype = dtype
        self._letter = packing.letter_of(dtype)
        value = packing.json_type(dtype)
        self._decode_flat, self._decode_nested = _decoder(value, 1), _decoder(value, rank)
        # Slower, and it names the value that is out of range: packing finds only that there is one.
        ranged = ranged_json_type(dtype)
        self._decode_ranged = {False: _decoder(ranged, 1), True: _decoder(ranged, rank)}

    def read(self, data: msgspec.Raw, shape: list[int], count: int, where: str) -> Array:
        """An array of the shape, which holds `count` values; raise Refused."""
        brackets = _BRACKETS.match(data)
        nested = brackets is not None and brackets[0].count(b"[") > 1
        try:
            if nested:
                return self._nested(self._decode_nested(data), shape, where)
            values = self._decode_flat(data)
            if len(values) != count:
                raise bad_request(f"{where} has {len(values)} values, its shape needs {count}")
            return self._array([values], shape)
        except packing.MISFITS:
            raise self._out_of_range(data, nested, where) from None
        except msgspec.ValidationError as error:
            raise fault(error, where) from None
        except (ValueError, RecursionError):
            raise _no_json() from None

    def _nested(self, values: list[Any], shape: list[int], where: str) -> Array:
        fits = len(values) == shape[0]
        for size in shape[1:-1]:
            fits = fits and set(map(len, values)) == {size}
            values = list(chain.from_iterable(values))
        if not (fits and set(map(len, values)) == {shape[-1]}):
            raise bad_request(f"{where} is nested otherwise than its shape says")
        return self._array(values, shape)

    def _array(self, lists: list[list[Any]], shape: list[int]) -> Array:
        """From lists of equal length, one after the other."""
        if self._letter:
            data = b"".join(starmap(packing.packer(len(lists[0]), self._letter), lists))
            return np.ndarray(shape, self._dtype, data)
        array = np.empty(sum(map(len, lists)), dtype=self._dtype)
        array[:] = list(chain.from_iterable(lists))
        return array.reshape(shape)

    def _out_of_range(self, data: msgspec.Raw, nested: bool, where: str) -> Refused:
        try:
            self._decode_ranged[nested](data)
        except msgspec.ValidationError as error:
            return fault(error, where)
        return bad_request(f"{where} holds a number beyond 64 bits")


def _decoder(value: Any, depth: int) -> Callable[[msgspec.Raw], Any]:
    for _ in range(depth):
        value = list[value]
    return msgspec.json.Decoder(value).decode


def fault(error: msgspec.ValidationError, within: str = "") -> Refused:
    """Turn msgspec's message ("Expected `int`, got `str` - at `$.inputs[0].shape[1]`") into one that names the place.

    The message speaks of the types above alone, so it holds nothing of the client's but what is left out here.
    """
    text = str(error)
    path = _PATH.search(text)
    said = (text[: path.start()] if path else text).replace("`", "")
    where = within + (path[1] if path else "") or "the body"
    if said.startswith("Object contains unknown field"):
        # Its name is the client's own text.
        return bad_request(f"{where} has a field that the protocol does not know")
    if said.startswith("Object missing required field"):
        return bad_request(f"{where} lacks the field {said.rpartition(' ')[2]}")
    if " out of range" in said or said.startswith(
        ("Expected int <", "Expected int >", "Expected float <", "Expected float >")
    ):
        return bad_request(f"{where} is beyond the range of its type")
    return bad_request(f"{where}: {said[0].lower()}{said[1:]}")


def _no_json() -> Refused:
    # Malformed JSON, bad UTF-8, lists too deep: the parser's own message may quote the body.
    return bad_request(
        "the body is not a JSON document in UTF-8 (NaN and Infinity are not JSON); before binary tensors, "
        "Inference-Header-Content-Length gives the length of the JSON"
    )
