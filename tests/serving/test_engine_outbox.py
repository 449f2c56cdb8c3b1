"""The outbox: answers of one round leave together, in order, and nobody waits for long or is written to in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from serving.engine.outbox import HOLD_BYTES, HOLD_SECONDS, Outbox

NOW = 1000.0


class Wire(asyncio.WriteTransport):
    """Keeps who wrote what, in order, in a list that several share."""

    def __init__(self, name: str, written: list[tuple[str, bytes]]) -> None:
        super().__init__()
        self._name = name
        self._written = written
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._written.append((self._name, bytes(data)))


class Round:
    """An outbox, and the end of the loop's round as the test wants it."""

    def __init__(self) -> None:
        self._ends: list[Callable[[], None]] = []
        self.outbox = Outbox(self._ends.append)
        self.written: list[tuple[str, bytes]] = []
        self.a, self.b = Wire("a", self.written), Wire("b", self.written)

    def end(self) -> None:
        ends, self._ends[:] = list(self._ends), []
        assert len(ends) <= 1, "one call a round is enough"
        for end in ends:
            end()


@pytest.fixture
def round_() -> Round:
    return Round()


def test_the_answers_of_a_round_leave_at_its_end_in_their_order(round_: Round) -> None:
    round_.outbox.post(round_.a, b"1", NOW)
    round_.outbox.post(round_.b, b"2", NOW)
    round_.outbox.post(round_.a, b"3", NOW)
    assert round_.written == []
    round_.end()
    assert round_.written == [("a", b"1"), ("b", b"2"), ("a", b"3")]


def test_a_second_answer_to_one_reader_is_written_at_once_behind_the_first(round_: Round) -> None:
    round_.outbox.post(round_.a, b"1", NOW)
    round_.outbox.post(round_.a, b"2", NOW)
    assert round_.written == [("a", b"1"), ("a", b"2")]


def test_a_large_answer_is_written_at_once_behind_what_was_posted(round_: Round) -> None:
    large = b"x" * (HOLD_BYTES + 1)
    round_.outbox.post(round_.a, b"1", NOW)
    round_.outbox.post(round_.b, large, NOW)
    assert round_.written == [("a", b"1"), ("b", large)]


def test_each_round_is_sent_once(round_: Round) -> None:
    round_.outbox.post(round_.a, b"1", NOW)
    round_.end()
    round_.outbox.post(round_.a, b"2", NOW + 1)
    round_.end()
    round_.end()
    assert round_.written == [("a", b"1"), ("a", b"2")]


def test_who_has_hung_up_is_passed_over(round_: Round) -> None:
    round_.outbox.post(round_.a, b"1", NOW)
    round_.outbox.post(round_.b, b"2", NOW)
    round_.a.closing = True
    round_.end()
    assert round_.written == [("b", b"2")]


def test_a_long_round_sends_as_it_goes(round_: Round) -> None:
    round_.outbox.post(round_.a, b"1", NOW)
    round_.outbox.post(round_.b, b"2", NOW + HOLD_SECONDS / 2)
    assert round_.written == []
    round_.outbox.post(round_.a, b"3", NOW + HOLD_SECONDS * 2)
    assert [data for _, data in round_.written] == [b"1", b"2", b"3"]
    round_.end()
    assert len(round_.written) == 3


def test_what_is_written_at_once_leaves_behind_what_was_posted(round_: Round) -> None:
    round_.outbox.post(round_.a, b"1", NOW)
    round_.outbox.write(round_.a, b"2")
    round_.end()
    assert round_.written == [("a", b"1"), ("a", b"2")]


def test_what_is_posted_while_it_sends_leaves_with_the_next_round(round_: Round) -> None:
    class Answering(Wire):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            round_.outbox.post(round_.b, b"in reply", NOW)

    round_.outbox.post(Answering("a", round_.written), b"1", NOW)
    round_.end()
    assert round_.written == [("a", b"1")]
    round_.end()
    assert round_.written == [("a", b"1"), ("b", b"in reply")]
