"""Samples: what is read from each kind of file, and that each fault is named by its place, never by its value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.metadata import TensorSpec
from ops.models import sample
from ops.models.frameworks.refusal import NotTaken

TABLE = (TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),)
NAMES = ("a", "b", "c")
SECRET = "very-private-4711"


def spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.csv", "1,2,3\n4,5,6\n"),
        ("s.csv", "\ufeffa,b,c\r\n1,2,3\r\n4,5,6\r\n"),
        ("s.csv", "c,a,b\n3,1,2\n6,4,5\n"),
        ("s.json", "[[1, 2, 3], [4, 5, 6]]"),
        ("s.json", '{"x": [[1, 2, 3], [4, 5, 6]]}'),
        ("s.json", '[{"a": 1, "b": 2, "c": 3}, {"c": 6, "b": 5, "a": 4}]'),
    ],
)
def test_a_table_is_read_in_the_models_order_of_columns(tmp_path: Path, name: str, content: str) -> None:
    rows = sample.read(written(tmp_path, name, content), TABLE, NAMES)["x"]
    assert rows.dtype == np.float32
    assert rows.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_an_array_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.arange(6).reshape(2, 3))
    assert sample.read(tmp_path / "s.npy", TABLE)["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_heading_of_a_model_without_names_is_passed_over(tmp_path: Path) -> None:
    assert sample.read(written(tmp_path, "s.csv", "p,q,r\n1,2,3\n"), TABLE)["x"].tolist() == [[1, 2, 3]]


def test_several_inputs_are_the_columns_of_a_csv_by_name(tmp_path: Path) -> None:
    inputs = (spec("age", "INT64", -1, 1), spec("city", "BYTES", -1, 1), spec("member", "BOOL", -1))
    rows = sample.read(written(tmp_path, "s.csv", "city,member,age\nBern,true,30\nRome,0,41\n"), inputs)
    assert rows["age"].tolist() == [[30], [41]]
    assert rows["city"].tolist() == [["Bern"], ["Rome"]]
    assert rows["member"].tolist() == [True, False]


def test_rows_may_have_any_number_of_dimensions(tmp_path: Path) -> None:
    rows = sample.read(written(tmp_path, "s.json", "[[[1, 2], [3, 4]]]"), (spec("x", "FP64", -1, -1, 2),))["x"]
    assert rows.shape == (1, 2, 2)
    assert rows.dtype == np.float64


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.txt", "1,2,3", "ends in .csv, .json or .npy"),
        ("s.csv", "", "0 rows"),
        ("s.csv", "a,b,c\n", "0 rows"),
        ("s.json", "[]", "0 rows"),
        ("s.csv", "1,2,3\n" * 1001, "1001 rows"),
        ("s.csv", "1,2\n", "row 1 of s.csv has 2 values, the input 'x' takes 3 values"),
        ("s.csv", "1,2,3\n1,2,3,4\n", "row 2 of s.csv has 4 values"),
        ("s.csv", "a,b\n1,2\n", "2 columns where the model takes 3, and lacks c"),
        ("s.csv", f"a,b,c,{SECRET}\n1,2,3,4\n", "4 columns where the model takes 3"),
        ("s.csv", "a,b,c\n1,2\n", "row 1 of s.csv has 2 values, its heading 3"),
        ("s.csv", f"1,2,3\n1,{SECRET},3\n", "row 2, column 2 (b) of s.csv holds no number"),
        ("s.csv", "1,2,3\n1,,3\n", "row 2, column 2 (b) of s.csv holds no number"),
        ("s.csv", "1,nan,3\n", "row 1, column 2 (b) of s.csv holds no finite FP32"),
        ("s.csv", "1,2,1e39\n", "row 1, column 3 (c) of s.csv holds no finite FP32"),
        ("s.csv", b"\xff\xfe1,2,3", "no CSV in UTF-8"),
        ("s.json", "[[1, 2, NaN]]", "column 3 (c) of s.json holds no finite FP32"),
        ("s.json", "[[1, 2, null]]", "column 3 (c) of s.json holds no number"),
        ("s.json", "[[1, 2, true]]", "column 3 (c) of s.json holds no number"),
        ("s.json", "[1, 2, 3]", "row 1 of s.json has one value, not in a list"),
        ("s.json", "[[1, 2, [3]]]", "row 1"),
        ("s.json", '{"y": [[1, 2, 3]]}', "for each of the inputs x"),
        ("s.json", "[[1, 2", "no JSON document"),
        ("s.json", "7", "must hold an object"),
        ("s.npy", b"1,2,3", "no array of numbers or strings"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(NotTaken) as refused:
        sample.read(written(tmp_path, name, content), TABLE, NAMES)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("datatype", "value", "said"),
    [
        ("INT8", 128, "no whole number within INT8"),
        ("INT64", 1.5, "no whole number within INT64"),
        ("BOOL", 2, "neither true nor false"),
        ("BYTES", 3, "holds no text"),
    ],
)
def test_a_value_outside_of_the_inputs_type_is_refused(tmp_path: Path, datatype: str, value: Any, said: str) -> None:
    path = written(tmp_path, "s.json", json.dumps([[value]]))
    with pytest.raises(NotTaken, match=said):
        sample.read(path, (spec("x", datatype, -1, 1),))


def test_objects_in_an_array_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)
    with pytest.raises(NotTaken, match="no array of numbers"):
        sample.read(tmp_path / "s.npy", TABLE)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotTaken, match=r"there is no file .*rows\.csv"):
        sample.read(tmp_path / "rows.csv", TABLE)


def test_made_up_rows_fit_every_type_and_are_the_same_each_time() -> None:
    inputs = tuple(spec(datatype, datatype, -1, 2, -1) for datatype in ("FP16", "FP64", "UINT8", "BOOL", "BYTES"))
    first, second = sample.made_up(inputs), sample.made_up(inputs)
    for one in inputs:
        assert first[one.name].shape == (sample.MADE_UP_ROWS, 2, 1)
        assert first[one.name].tolist() == second[one.name].tolist()
    assert first["FP64"].std() > 0.5
    assert set(first["UINT8"].ravel().tolist()) == {0, 1}
