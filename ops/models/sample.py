"""Rows to try a model on: read from a CSV, JSON or NumPy file, or made up where none was given."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from contract.metadata import TensorSpec
from ops.models.frameworks.refusal import NotTaken
from serving.model import NUMPY_TYPES, Array

MAX_ROWS = 1000
MAX_MIB = 64
MADE_UP_ROWS = 64
SEED = 20

_TRUE, _FALSE = ("true", "1"), ("false", "0")

Columns = Sequence[str] | None


def read(path: Path, inputs: Sequence[TensorSpec], feature_names: Columns = None) -> dict[str, Array]:
    """Between 1 and MAX_ROWS rows for each input; raise NotTaken, which names the row and the column at fault.

    A file for one input is a table: CSV with or without a heading, a JSON list of rows or of objects by feature name,
    or an array. For several inputs it is a JSON object of rows by input name, or CSV headed with their names.
    """
    if not path.is_file():
        raise NotTaken(f"there is no file {path}: give the path of a sample as .csv, .json or .npy")
    if path.stat().st_size > MAX_MIB << 20:
        raise NotTaken(f"{path.name} is larger than {MAX_MIB} MiB: give at most {MAX_ROWS} rows")
    reader = {".csv": _csv, ".json": _json, ".npy": _npy}.get(path.suffix.lower())
    if reader is None:
        raise NotTaken(f"{path.name} is no sample: give one that ends in .csv, .json or .npy")
    tables = reader(path, inputs, feature_names)
    counts = {len(rows) for rows in tables.values()}
    if len(counts) != 1:
        raise NotTaken(f"{path.name} has another count of rows for each input: give all of them the same")
    if not 0 < counts.copy().pop() <= MAX_ROWS:
        raise NotTaken(f"{path.name} has {counts.pop()} rows: give 1 to {MAX_ROWS}")
    return {spec.name: _array(path.name, spec, tables[spec.name], feature_names) for spec in inputs}


def made_up(inputs: Sequence[TensorSpec], rows: int = MADE_UP_ROWS) -> dict[str, Array]:
    """Rows of the right type and shape, the same at each call: they show that a model runs, not what it is worth."""
    generator = np.random.default_rng(SEED)
    return {spec.name: _invented(generator, spec, rows) for spec in inputs}


def _invented(generator: np.random.Generator, spec: TensorSpec, rows: int) -> Array:
    shape = (rows, *(1 if size == -1 else size for size in spec.shape[1:]))
    if spec.datatype == "BYTES":
        return np.full(shape, "", dtype=object)
    if spec.datatype.startswith("FP"):
        return generator.standard_normal(shape).astype(NUMPY_TYPES[spec.datatype])
    # 0 and 1 are in every range, also where the number is an index.
    return generator.integers(0, 2, shape).astype(NUMPY_TYPES[spec.datatype])


def _csv(path: Path, inputs: Sequence[TensorSpec], names: Columns) -> Mapping[str, Sequence[Any]]:
    try:
        lines = [line for line in csv.reader(io.StringIO(path.read_text("utf-8-sig")), strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotTaken(f"{path.name} is no CSV in UTF-8 ({type(error).__name__}): save it again") from error
    if len(inputs) == 1:
        spec = inputs[0]
        heading = lines[0] if lines and _is_heading(lines[0], spec, names) else None
        rows: list[Any] = lines if heading is None else lines[1:]
        if heading is not None and names is not None:
            rows = _arranged(path.name, heading, rows, names)
        table = [row[0] for row in rows if len(row) == 1] if len(spec.shape) == 1 else rows
        if len(table) != len(rows) or len(spec.shape) > 2:
            raise NotTaken(f"{path.name} is a table, and a row of {spec.name!r} is none of its lines: use JSON or .npy")
        return {spec.name: table}
    if not lines or any(spec.values_per_row != 1 for spec in inputs):
        raise NotTaken(f"{path.name} cannot hold {len(inputs)} inputs of several columns: use JSON, rows by input name")
    rows = _arranged(path.name, lines[0], lines[1:], [spec.name for spec in inputs])
    return {
        spec.name: [[row[column]] if len(spec.shape) == 2 else row[column] for row in rows]
        for column, spec in enumerate(inputs)
    }


def _is_heading(line: Sequence[str], spec: TensorSpec, names: Columns) -> bool:
    if names is not None and set(line) == set(names):
        return True
    return spec.datatype != "BYTES" and not any(_is_number(cell) for cell in line)


def _arranged(file: str, heading: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str]) -> list[Any]:
    """The rows in the model's order of columns. The heading is not quoted: it may be a row of data."""
    lacking = [name for name in names if name not in heading]
    if lacking or len(heading) != len(names):
        raise NotTaken(
            f"{file} has {len(heading)} columns where the model takes {len(names)}"
            + (f", and lacks {', '.join(lacking[:5])}" if lacking else "")
            + ": give exactly the model's columns, by their names"
        )
    for number, row in enumerate(rows, 1):
        if len(row) != len(heading):
            raise NotTaken(f"row {number} of {file} has {len(row)} values, its heading {len(heading)}: give as many")
    order = [heading.index(name) for name in names]
    return [[row[column] for column in order] for row in rows]


def _json(path: Path, inputs: Sequence[TensorSpec], names: Columns) -> Mapping[str, Sequence[Any]]:
    try:
        document: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise NotTaken(f"{path.name} is no JSON document ({type(error).__name__}): save it again") from error
    if isinstance(document, dict):
        tables = cast(dict[str, Any], document)
        wanted = [spec.name for spec in inputs]
        if set(tables) != set(wanted) or not all(isinstance(rows, list) for rows in tables.values()):
            raise NotTaken(f"{path.name} must hold a list of rows for each of the inputs {', '.join(wanted)}")
        return tables
    if not isinstance(document, list) or len(inputs) != 1:
        raise NotTaken(f"{path.name} must hold an object with a list of rows for each of the {len(inputs)} inputs")
    rows = cast(list[Any], document)
    if rows and all(isinstance(row, dict) for row in rows):
        if names is None:
            raise NotTaken(f"{path.name} names its columns and the model does not: give the feature names too")
        rows = [
            _arranged(path.name, list(row), [list(row.values())], names)[0] for row in cast(list[dict[str, Any]], rows)
        ]
    return {inputs[0].name: rows}


def _npy(path: Path, inputs: Sequence[TensorSpec], names: Columns) -> Mapping[str, Sequence[Any]]:
    del names
    if len(inputs) != 1:
        raise NotTaken(f"{path.name} is one array and the model has {len(inputs)} inputs: use JSON, rows by input name")
    try:
        # Objects in it would be a pickle, which runs code when it is opened.
        array = cast(Array, np.load(path, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise NotTaken(f"{path.name} is no array of numbers or strings: save it with numpy.save") from error
    if not array.ndim:
        raise NotTaken(f"{path.name} is a single value: give rows")
    return {inputs[0].name: array[: MAX_ROWS + 1].tolist()}


def _array(file: str, spec: TensorSpec, rows: Sequence[Any], names: Columns) -> Array:
    wanted = spec.shape[1:]
    values: list[Any] = []
    shape: tuple[int, ...] | None = None
    for number, row in enumerate(rows, 1):
        cells = np.empty((), dtype=object) if not isinstance(row, list) else np.array(cast(Any, row), dtype=object)
        if not isinstance(row, list):
            cells[()] = row
        fits = len(cells.shape) == len(wanted) and all(
            size in (-1, given) for size, given in zip(wanted, cells.shape, strict=True)
        )
        if not fits or (shape is not None and cells.shape != shape):
            raise NotTaken(
                f"row {number} of {file} has {_in_words(cells.shape)}, the input {spec.name!r} takes "
                f"{_in_words(wanted)}: give every row that"
            )
        shape = cells.shape
        for column, cell in enumerate(cells.reshape(-1).tolist()):
            values.append(_value(cell, spec.datatype, lambda c=column, n=number: _place(file, n, c, names)))
    flat = np.empty(len(values), dtype=object)
    flat[:] = values
    return flat.reshape((len(rows), *(shape or ()))).astype(NUMPY_TYPES[spec.datatype])


def _value(cell: Any, datatype: str, place: Callable[[], str]) -> Any:
    """The cell as the datatype's; the messages never quote it."""
    if datatype == "BYTES":
        if not isinstance(cell, str):
            raise NotTaken(f"{place()} holds no text, which the model takes")
        return cell
    if datatype == "BOOL":
        said = str(cell).lower() if isinstance(cell, bool | int | str) else ""
        if said not in _TRUE and said not in _FALSE:
            raise NotTaken(f"{place()} is neither true nor false, which the model takes")
        return said in _TRUE
    if isinstance(cell, str) and _is_number(cell):
        cell = int(cell) if cell.strip().lstrip("+-").isdigit() else float(cell)
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise NotTaken(f"{place()} holds no number, which the model takes: give one, without text or gaps")
    if datatype.startswith("FP"):
        if not math.isfinite(cell) or abs(cell) > float(np.finfo(cast(Any, NUMPY_TYPES[datatype])).max):
            raise NotTaken(f"{place()} holds no finite {datatype}: leave out rows with missing or endless values")
        return cell
    limits = np.iinfo(cast(Any, NUMPY_TYPES[datatype]))
    if not math.isfinite(cell) or int(cell) != cell or not limits.min <= cell <= limits.max:
        raise NotTaken(f"{place()} holds no whole number within {datatype}, which the model takes")
    return int(cell)


def _place(file: str, row: int, column: int, names: Columns) -> str:
    named = f" ({names[column]})" if names is not None and column < len(names) else ""
    return f"row {row}, column {column + 1}{named} of {file}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _in_words(shape: Sequence[int]) -> str:
    if len(shape) > 1:
        return f"values of shape {['any' if size == -1 else size for size in shape]}"
    return f"{shape[0] if shape[0] != -1 else 'any number of'} values" if shape else "one value, not in a list"
