"""Typed documents: written one way for programs and one for people, and read with one kind of error."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from contract.documents import Unreadable, decode, encode, render
from contract.objects import Version


class Served(msgspec.Struct, frozen=True, kw_only=True):
    version: Version
    share: int = 100

    def __post_init__(self) -> None:
        if self.share < 1:
            raise ValueError(f"`{self.version}` has no share")


SERVED = Served(version=Version.parse("2.1.0-rc.1"), share=5)


@pytest.mark.parametrize("write", [encode, render])
def test_a_document_is_read_as_it_was_written_in_either_way(write: Any) -> None:
    assert json.loads(write(SERVED)) == {"version": "2.1.0-rc.1", "share": 5}
    assert decode(write(SERVED), Served) == decode(write(SERVED).decode(), Served) == SERVED


def test_programs_get_one_line_and_people_get_whole_ones() -> None:
    assert encode(SERVED) == b'{"version":"2.1.0-rc.1","share":5}'
    assert render(SERVED) == b'{\n  "version": "2.1.0-rc.1",\n  "share": 5\n}\n'


def test_what_has_no_place_in_a_document_is_not_written() -> None:
    with pytest.raises(NotImplementedError):
        encode({"value": object()})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "Input data was truncated"),
        (b"[]", "Expected object, got array"),
        (b'{"version": "\xff"}', "it is not in UTF-8"),
        (b'{"x": ' * 100_000, "it is nested too deeply"),
        (b'{"share": 1}', "Object missing required field version"),
        (b'{"version": "1.0.0", "share": "5"}', "Expected int, got str - at $.share"),
        (b'{"version": 1.0}', "Expected a version such as 1.4.0 - at $.version"),
        (b'{"version": null}', "Expected a version such as 1.4.0 - at $.version"),
        (
            b'{"version": "one"}',
            "model version 'one' is not a semantic version: write MAJOR.MINOR.PATCH, such as 1.4.0 - at $.version",
        ),
        (b'{"version": "1.0.0", "share": 0}', "`1.0.0` has no share"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(Unreadable) as refused:
        decode(data, Served)
    assert str(refused.value) == said
