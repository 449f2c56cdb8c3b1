"""ONNX files: one that was given is made whole where its weights lie beside it, a converted one is made plain."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from ops.models.frameworks.refusal import NotTaken, in_one_line, library

MAX_BYTES = (1 << 31) - 1
"""Of one protobuf message, which an ONNX file is."""


def take(path: Path, target: Path) -> list[str]:
    """Copy the given model to `target`, merged with the weights that lie beside it; return what was done to it."""
    onnx = library("onnx")
    if path.stat().st_size > MAX_BYTES:
        raise NotTaken(f"{path.name} is larger than 2 GiB, which an ONNX file cannot be: give a smaller model")
    model = _parsed(onnx, path)
    beside = {
        entry.value
        for tensor in _tensors(onnx, model)
        if onnx.external_data_helper.uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    if not beside:
        if path.resolve() != target.resolve():
            shutil.copyfile(path, target)
        return []
    parts = [path, *(found for name in beside if (found := path.parent / name).is_file())]
    # Before they are read: they may be larger than the memory.
    if sum(part.stat().st_size for part in parts) > MAX_BYTES:
        raise NotTaken(
            f"{path.name} keeps its weights in {len(beside)} other files, and is over 2 GiB with them, more than one "
            "ONNX file can hold: publish a smaller model, such as one in fp16 or int8"
        )
    merged = _merged(onnx, model, path, len(beside))
    target.write_bytes(merged.SerializeToString(deterministic=True))
    return [f"weights from {len(beside)} files beside {path.name} were merged into the model"]


def check_whole(path: Path) -> None:
    """Raise NotTaken unless the file is one model that needs no other file."""
    onnx = library("onnx")
    model = _parsed(onnx, path)
    if any(onnx.external_data_helper.uses_external_data(tensor) for tensor in _tensors(onnx, model)):
        raise NotTaken(f"{path.name} refers to other files: give a model that is one file")


def plain(model: Any, name: str) -> bytes:
    """A converter's model as bytes that depend on the model alone; every output has as many rows as it is given."""
    model.graph.name = name
    model.doc_string = model.graph.doc_string = ""
    for output in model.graph.output:
        sizes = output.type.tensor_type.shape.dim
        if output.type.HasField("tensor_type") and len(sizes):
            # LightGBM's converter declares one label, whatever the rows.
            sizes[0].Clear()
    return model.SerializeToString(deterministic=True)


def producer(path: Path) -> str:
    """Who wrote the file, as it says itself."""
    model = _parsed(library("onnx"), path)
    return in_one_line(f"{model.producer_name} {model.producer_version}") or "unknown"


def _parsed(onnx: Any, path: Path) -> Any:
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        # protobuf has an error of its own for each of its implementations.
        raise NotTaken(f"{path.name} is no ONNX model ({type(error).__name__}): give one that was exported") from error
    # protobuf reads a little of any file: what it did not find shows that this is none.
    if not model.ir_version or not model.graph.output:
        raise NotTaken(f"{path.name} is no ONNX model, it has no graph with outputs: give one that was exported")
    return model


def _merged(onnx: Any, model: Any, path: Path, files: int) -> Any:
    try:
        # Refuses files outside of the model's folder, and links.
        onnx.external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        raise NotTaken(
            f"{path.name} keeps its weights in {files} other files, which could not be read from its folder "
            f"({in_one_line(error)}): put them beside it, or export the model as one file"
        ) from error
    return model


def _tensors(onnx: Any, message: Any) -> Iterator[Any]:
    """Every tensor, however deep: in attributes, in graphs inside of nodes and in functions."""
    for _, value in message.ListFields():
        repeated = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        for part in cast(Sequence[Any], value if repeated else (value,)):
            if isinstance(part, onnx.TensorProto):
                yield part
            elif hasattr(part, "ListFields"):
                yield from _tensors(onnx, part)
