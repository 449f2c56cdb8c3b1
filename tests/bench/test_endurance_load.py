"""The load generator and the balancer, against small servers of this test's own."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from bench.endurance import load, sockets, traffic
from bench.endurance.answer import Head, read_head
from bench.endurance.balancer import IN_A_ROW, Health, probe
from bench.endurance.journal import Fate, accepted_ms, tally
from bench.endurance.load import LoadFailed, Phase
from bench.endurance.traffic import Client, Pool
from bench.serving.open_loop import http_request
from tests.bench.test_open_loop import OK, Answer, server

REQUESTS = [http_request("/", {}, b"{}")]
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\ncontent-length: 0\r\n\r\n"
BUSY_FOR_EVER = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
GOODBYE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: close\r\n\r\n{}"
SECOND = [Phase(per_second=100, seconds=0.3)]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], int]]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(server(answer))


def offer(port: int, *, fresh_percent: float = 0, connections: int = 2, max_connections: int = 8) -> load.Load:
    return load.offer(
        port,
        REQUESTS,
        SECOND,
        connections=connections,
        max_connections=max_connections,
        fresh_percent=fresh_percent,
    )


# Answers


def test_a_head_is_read_for_what_the_generator_needs() -> None:
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 17\r\nRetry-After: 1\r\nConnection: close"
    assert read_head(head) == Head(503, 17, closes=True, has_retry_after=True)
    assert read_head(b"HTTP/1.1 204 No Content") == Head(204, 0, closes=False, has_retry_after=False)


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK", b"HTTP/2 200", b"SSH-2.0-x", b"HTTP/1.1 abc\r\ncontent-length: 1"]
)
def test_what_is_no_answer_of_known_length_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_head(head)


# At a rate


def test_every_request_that_is_due_is_sent_and_its_outcome_kept(serve: Callable[[Answer], int]) -> None:
    found = offer(serve(lambda number: (0, (OK, BUSY, BUSY_FOR_EVER)[number % 3])))
    counts = tally(found.journal)
    assert 29 <= len(found.journal) <= 32
    assert counts["200"] == pytest.approx(10, abs=2)
    assert counts["503"] == pytest.approx(20, abs=3)
    with_advice = [outcome.has_retry_after for outcome in found.journal if outcome.status == 503]
    assert sum(with_advice) == pytest.approx(10, abs=2)
    assert found.of(SECOND, 0) != []


def test_a_stall_is_paid_for_by_all_that_were_due_meanwhile(serve: Callable[[Answer], int]) -> None:
    port = serve(lambda number: (0.2 if number == 5 else 0, OK))
    found = offer(port, connections=1, max_connections=1)
    assert sum(ms > 30 for ms in accepted_ms(found.journal)) >= 12


def test_fresh_requests_each_have_a_connection_of_their_own(serve: Callable[[Answer], int]) -> None:
    port = serve(lambda _: (0, OK))
    kept, fresh = offer(port), offer(port, fresh_percent=100)
    assert len({outcome.client_port for outcome in kept.journal}) == 2
    assert len({outcome.client_port for outcome in fresh.journal}) == len(fresh.journal) > 20
    assert {outcome.is_fresh for outcome in fresh.journal} == {True}
    assert sum(outcome.is_fresh for outcome in kept.journal) == 0


def test_a_connection_that_the_server_ends_is_not_used_again(serve: Callable[[Answer], int]) -> None:
    found = offer(serve(lambda _: (0, GOODBYE)))
    assert tally(found.journal) == {"200": len(found.journal)}
    assert len({outcome.client_port for outcome in found.journal}) == len(found.journal)


def test_connections_that_break_and_answers_that_are_none_are_told_apart(serve: Callable[[Answer], int]) -> None:
    found = offer(serve(lambda number: (0, {3: b"", 7: b"nonsense\r\n\r\n"}.get(number, OK))))
    assert tally(found.journal) == {"200": len(found.journal) - 2, "lost": 1, "not http": 1}


def test_what_waits_and_what_is_never_answered_is_bounded(
    serve: Callable[[Answer], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "LAST_ANSWERS_SECONDS", 0.1)
    began = time.monotonic()
    found = offer(serve(lambda _: (30, OK)), max_connections=3)
    assert tally(found.journal) == {"unsent": len(found.journal) - 3, "unanswered": 3}
    assert time.monotonic() - began < 5


def test_a_closed_loop_asks_again_as_soon_as_it_is_answered(serve: Callable[[Answer], int]) -> None:
    found = load.saturate(serve(lambda _: (0, OK)), REQUESTS, connections=4, seconds=0.3)
    assert len(found.journal) > 100
    assert tally(found.journal) == {"200": len(found.journal)}
    assert len({outcome.client_port for outcome in found.journal}) == 4


def test_a_load_made_in_a_process_of_its_own_brings_its_journal_home(serve: Callable[[Answer], int]) -> None:
    port = serve(lambda _: (0, OK))
    saturate = functools.partial(load.saturate, port, REQUESTS, connections=1, seconds=0.1)
    with load.apart(saturate) as work:
        found = work.result()
    assert tally(found.journal) == {"200": len(found.journal)}
    assert len(found.journal) > 0


def test_a_load_on_nobody_is_an_error_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    saturate = functools.partial(load.saturate, port, REQUESTS, connections=1, seconds=0.1)
    with load.apart(saturate) as work, pytest.raises(LoadFailed, match=r"could not be made: .*refused"):
        work.result()


def test_requests_for_which_no_server_is_ready_are_counted() -> None:
    async def run() -> dict[str, int]:
        client = Client(REQUESTS, lambda: None, max_connections=1)
        async with client.arrivals(100, time.monotonic()):
            await asyncio.sleep(0.1)
        return tally(await client.finish())

    counts = asyncio.run(run())
    assert list(counts) == ["no target"]


def test_a_retired_server_gets_no_more_requests_on_connections_that_are_open(serve: Callable[[Answer], int]) -> None:
    old, new = Pool(serve(lambda _: (0, OK))), Pool(serve(lambda _: (0, OK)))
    picked = old

    async def run() -> tuple[set[int], set[int]]:
        nonlocal picked
        client = Client(REQUESTS, lambda: picked, max_connections=8)
        await client.open(old, 2)
        before = {connection.client_port for connection in old.idle}
        async with client.arrivals(100, time.monotonic()):
            await asyncio.sleep(0.1)
            old.retire()
            picked = new
            switched = time.monotonic()
            await asyncio.sleep(0.1)
        journal = await client.finish()
        assert tally(journal) == {"200": len(journal)}
        return before, {outcome.client_port for outcome in journal if outcome.due > switched}

    before, after = asyncio.run(run())
    assert after
    assert not before & after
    assert not old.idle


# The balancer


def test_a_target_changes_sides_after_probes_in_a_row_and_not_for_one() -> None:
    health = Health()
    seen: list[bool] = []
    for passed in (True, True, False, True, False, False, True):
        health.saw(passed)
        seen.append(health.ready)
    assert IN_A_ROW == 2
    assert seen == [False, True, True, True, True, False, False]


def test_a_probe_passes_on_200_alone(serve: Callable[[Answer], int]) -> None:
    assert asyncio.run(probe(serve(lambda _: (0, OK))))
    assert not asyncio.run(probe(serve(lambda _: (0, BUSY))))
    assert not asyncio.run(probe(serve(lambda _: (0, b""))))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert not asyncio.run(probe(port))


# Sockets


def test_a_connection_is_traced_to_the_process_that_accepted_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert sockets.listens(os.getpid(), port)
        assert not sockets.listens(os.getppid(), port)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client_port = client.getsockname()[1]
            assert sockets.accepted(port) == {client_port: sockets.NOT_ACCEPTED}
            with listener.accept()[0] as server_side:
                inode = os.fstat(server_side.fileno()).st_ino
                assert sockets.accepted(port) == {client_port: inode}
                assert inode in sockets.inodes(os.getpid())
    assert sockets.inodes(2**22 + 1) == set()


def test_fates_have_no_status_s_number() -> None:
    assert all(fate < 0 for fate in Fate)
