"""How files are cut, and what is known of a file that changes under the upload."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops.models.parts import (
    MAX_FILE_BYTES,
    MAX_PART_BYTES,
    MIB,
    MIN_PART_BYTES,
    MOST_PARTS,
    Source,
    SourceRefused,
    cut,
)
from tests.lifecycle.uploads import random_file


@given(st.integers(0, MAX_FILE_BYTES))
@example(0)
@example(MIN_PART_BYTES)
@example(MIN_PART_BYTES + 1)
@example(MAX_FILE_BYTES)
def test_the_parts_of_a_file_of_any_size_make_the_file_and_are_what_s3_takes(size: int) -> None:
    parts = cut(size)
    assert sum(part.bytes for part in parts) == size
    assert len(parts) <= MOST_PARTS
    assert all(part.number == number for number, part in enumerate(parts, start=1))
    assert all(part.first == (part.number - 1) * parts[0].bytes for part in parts)
    assert all(MIN_PART_BYTES <= part.bytes <= MAX_PART_BYTES for part in parts[:-1])


@pytest.mark.parametrize(("size_mib", "part_mib"), [(1, 1), (17, 8), (1024, 8), (2048, 16), (100 * 1024, 64)])
def test_larger_files_have_larger_parts(size_mib: int, part_mib: int) -> None:
    assert cut(size_mib * MIB)[0].bytes == part_mib * MIB


def test_a_survey_has_the_digests_of_the_whole_and_of_every_part_as_s3_writes_them(tmp_path: Path) -> None:
    source = Source(random_file(tmp_path / "file", 17 * MIB))
    data = source.path.read_bytes()
    digests = source.survey()
    parts = [hashlib.sha256(data[first : first + MIN_PART_BYTES]).digest() for first in range(0, 17 * MIB, 8 * MIB)]
    assert digests.whole == hashlib.sha256(data).digest()
    assert list(digests.parts) == parts
    composite = base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()
    assert digests.stored == (base64.b64encode(digests.whole).decode(), f"{composite}-3")


def test_a_file_too_large_for_the_parts_that_s3_takes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        try:
            file.truncate(MAX_FILE_BYTES + 1)
        except OSError:
            pytest.skip("this file system takes no file of that size")
    with pytest.raises(SourceRefused, match=f"at most {MAX_FILE_BYTES} can be uploaded"):
        Source(path)


def test_a_file_that_is_cut_short_replaced_or_rewritten_meanwhile_is_noticed(tmp_path: Path) -> None:
    shorter = Source(random_file(tmp_path / "shorter", 9 * MIB))
    shorter.path.write_bytes(b"x")
    with pytest.raises(SourceRefused, match="changed while it was being published"):
        shorter.read(shorter.parts[0])
    replaced = Source(random_file(tmp_path / "replaced", MIB))
    random_file(tmp_path / "other", MIB, seed=1).replace(replaced.path)
    with pytest.raises(SourceRefused, match="changed while it was being published"):
        replaced.check_unchanged()
    gone = Source(random_file(tmp_path / "gone", MIB))
    gone.path.unlink()
    with pytest.raises(SourceRefused, match="changed while it was being published"):
        gone.check_unchanged()


def test_a_folder_is_no_file_to_upload(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="there is no file"):
        Source(tmp_path)
