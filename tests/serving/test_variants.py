"""A real model in single precision and, as a variant beside it, with weights of eight bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from contract import checksums, metadata, variants
from contract.checksums import digest_of_file
from contract.metadata import InvalidMetadata, ModelMetadata
from contract.objects import CHECKSUMS_FILE, MODEL_FILE, Version, version_prefix
from contract.variants import InvalidVariants, Variant
from ops.models.publish import PublishedModel, PublishRefused, publish
from serving.model import Model, ModelRefused
from serving.store import Store, VersionCorrupt
from tests.serving import onnx_models

INT8 = Variant(name="int8", file="model.int8.onnx", precision="int8", tolerance=0.05)
VERSION = Version(1, 0, 0)
DOCUMENT = {"name": "int8", "file": "model.int8.onnx", "precision": "int8", "tolerance": 0.05}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, ModelMetadata]:
    """The default file, the one of eight bits, and metadata that lists it."""
    directory = tmp_path_factory.mktemp("variants")
    path, described = onnx_models.linear(directory)
    small = directory / "small.onnx"
    quantize_dynamic(str(path), str(small), weight_type=QuantType.QInt8)
    return path, small, replace(described, variants=(INT8,))


def put(s3: Any, bucket: str, path: Path, described: ModelMetadata, files: Mapping[str, Path] | None) -> PublishedModel:
    return publish(s3, bucket, described.name, VERSION, path, described, variants=files)


def test_a_variant_answers_within_its_tolerance_and_not_as_the_default_does(
    trained: tuple[Path, Path, ModelMetadata],
) -> None:
    path, small, described = trained
    exact = Model.load(described, path)
    coarse = Model.load(described, small, variant=INT8)
    rows = exact.some_rows(onnx_models.ROWS)
    difference = np.abs(exact.predict(rows)["score"] - coarse.predict(rows)["score"]).max()
    assert 1e-4 < difference < 0.2
    assert coarse.variant == INT8
    assert exact.variant is None


@pytest.mark.parametrize("tolerance", [None, 1e-5])
def test_a_variant_that_misses_its_tolerance_is_refused(
    trained: tuple[Path, Path, ModelMetadata], tolerance: float | None
) -> None:
    _, small, described = trained
    with pytest.raises(ModelRefused, match=r"model\.int8\.onnx does not answer the sample of linear 1\.0\.0"):
        Model.load(described, small, variant=replace(INT8, tolerance=tolerance))


def test_a_variant_with_other_inputs_than_the_default_is_refused(
    trained: tuple[Path, Path, ModelMetadata], tmp_path: Path
) -> None:
    other, _ = onnx_models.neighbours(tmp_path)
    with pytest.raises(ModelRefused, match=r"model\.int8\.onnx has shape .* for the input 'x'"):
        Model.load(trained[2], other, variant=INT8)


def test_a_published_version_holds_its_variants_and_the_store_opens_the_one_asked_for(
    s3: Any,
    own_bucket: str,
    tmp_path: Path,
    trained: tuple[Path, Path, ModelMetadata],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, small, described = trained
    published = put(s3, own_bucket, path, described, {"int8": small})
    assert published.digests[INT8.file] == digest_of_file(small)
    assert not put(s3, own_bucket, path, described, {"int8": small}).created
    for wanted, file, variant in (("int8", small, INT8), (None, path, None), ("fp16", path, None)):
        store = Store(s3, own_bucket, described.name, tmp_path / "cache", variant=wanted)
        with store.opened(VERSION) as files:
            assert (digest_of_file(files.model), files.variant) == (digest_of_file(file), variant)
            assert files.model_bytes == file.stat().st_size
            assert Model.load(files.metadata, files.model, variant=files.variant).version == "1.0.0"
        with store.opened_from_disk(VERSION) as files:
            assert files.variant == variant
    assert "linear 1.0.0 lists no variant fp16: its default is served" in caplog.text
    assert "lists no variant int8" not in caplog.text


def test_a_variant_that_the_checksums_leave_out_makes_the_version_corrupt(
    s3: Any, own_bucket: str, tmp_path: Path, trained: tuple[Path, Path, ModelMetadata]
) -> None:
    path, small, described = trained
    digests = put(s3, own_bucket, path, described, {"int8": small}).digests
    promised = checksums.render({name: digest for name, digest in digests.items() if name != INT8.file})
    s3.put_object(Bucket=own_bucket, Key=f"{version_prefix('linear', VERSION)}{CHECKSUMS_FILE}", Body=promised)
    for wanted in (None, "int8"):
        store = Store(s3, own_bucket, "linear", tmp_path / "cache", variant=wanted)
        with pytest.raises(VersionCorrupt, match=r"leaves out the variant model\.int8\.onnx"), store.opened(VERSION):
            pass


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"lists the variants \['int8'\], files were given for \[\]"),
        ({"int8": "small", "fp16": "small"}, r"files were given for \['fp16', 'int8'\]"),
        ({"int8": "absent"}, r"there is no file .*absent\.onnx"),
        ({"int8": "other"}, r"would be refused by the server: model\.int8\.onnx has"),
    ],
)
def test_variants_that_are_not_those_of_the_metadata_are_not_published(
    s3: Any,
    own_bucket: str,
    tmp_path: Path,
    trained: tuple[Path, Path, ModelMetadata],
    given: dict[str, str],
    said: str,
) -> None:
    path, small, described = trained
    paths = {"small": small, "absent": tmp_path / "absent.onnx", "other": onnx_models.neighbours(tmp_path)[0]}
    with pytest.raises(PublishRefused, match=said):
        put(s3, own_bucket, path, described, {name: paths[file] for name, file in given.items()})
    assert "Contents" not in s3.list_objects_v2(Bucket=own_bucket)


def test_variants_survive_a_round_trip_and_versions_without_any_keep_their_bytes(
    trained: tuple[Path, Path, ModelMetadata],
) -> None:
    described = trained[2]
    data = metadata.render(described)
    assert metadata.parse(data) == described
    assert described.variant("int8") == INT8
    assert described.variant("fp16") is None
    before = json.loads(metadata.render(replace(described, variants=())))
    assert not {"variants", "features"} & before.keys()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["int8"], r"variants\[0\] holds 'int8' where an object belongs"),
        ([{"file": "a.onnx", "precision": "int8"}], r"variants\[0\] has None for 'name', which must be a string"),
        ([DOCUMENT | {"name": "INT 8"}], r"variants\[0\] has name 'INT 8': use 1 to 32 lower-case"),
        ([DOCUMENT | {"file": "../a.onnx"}], r"variants\[0\] has file '\.\./a\.onnx': use a plain name"),
        ([DOCUMENT | {"file": "a.pkl"}], r"has file 'a\.pkl': use a plain name that ends in \.onnx"),
        ([DOCUMENT | {"file": MODEL_FILE}], r"has file 'model\.onnx'"),
        ([DOCUMENT | {"precision": "int7"}], r"has precision 'int7': use one of fp32, fp16"),
        ([DOCUMENT | {"tolerance": 0}], r"has tolerance 0: use a number above 0, at most 1"),
        ([DOCUMENT | {"tolerance": 2}], r"has tolerance 2"),
        ([DOCUMENT | {"tolerance": True}], r"has tolerance True"),
        ([DOCUMENT | {"author": "x"}], r"variants\[0\] has unknown fields: author"),
        ([DOCUMENT, DOCUMENT | {"file": "b.onnx"}], r"variants have the names \['int8', 'int8'\]: give each its own"),
        ([DOCUMENT, DOCUMENT | {"name": "other"}], r"variants have the files"),
    ],
)
def test_a_wrong_variant_is_named_with_what_is_allowed(values: list[Any], said: str) -> None:
    with pytest.raises(InvalidVariants, match=said):
        variants.parse(values)


def test_metadata_says_which_of_its_variants_is_wrong(trained: tuple[Path, Path, ModelMetadata]) -> None:
    document = json.loads(metadata.render(trained[2]))
    document["variants"][0]["precision"] = "int7"
    with pytest.raises(InvalidMetadata, match=r"metadata\.json variants\[0\] has precision 'int7'"):
        metadata.parse(json.dumps(document).encode())
