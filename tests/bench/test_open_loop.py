"""The client of a fixed rate, against a small server of this test's own that is quick, slow or refuses."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from bench.serving import open_loop
from bench.serving.open_loop import http_request

REQUEST = [http_request("/", {}, b"{}")]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"

Answer = Callable[[int], tuple[float, bytes]]


@contextmanager
def server(answer: Answer) -> Generator[int]:
    """Answers the n-th request after a delay; an empty answer closes the connection."""
    loop = asyncio.new_event_loop()
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        while await reader.read(65_536):
            delay, answered = answer(count)
            count += 1
            await asyncio.sleep(delay)
            if not answered:
                break
            writer.write(answered)
        writer.close()

    listener = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        listener.close()
        loop.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], int]]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(server(answer))


def test_every_request_that_is_due_is_sent_and_answered(serve: Callable[[Answer], int]) -> None:
    arrivals = open_loop.run(serve(lambda _: (0, OK)), REQUEST, per_second=200, seconds=0.5, connections=8)
    assert (len(arrivals.latencies_ms), arrivals.errors, arrivals.refused) == (100, 0, 0)
    assert arrivals.answered_per_second == pytest.approx(200, rel=0.2)


def test_a_stall_is_paid_for_by_all_that_were_due_meanwhile(serve: Callable[[Answer], int]) -> None:
    port = serve(lambda number: (0.3 if number == 10 else 0, OK))
    arrivals = open_loop.run(port, REQUEST, per_second=100, seconds=0.5, connections=1)
    assert len(arrivals.latencies_ms) == 50
    # One connection: the stall holds up about thirty requests; a client that waits would have seen one slow answer.
    assert sum(latency > 50 for latency in arrivals.latencies_ms) >= 20


def test_refusals_and_failures_are_counted_apart(serve: Callable[[Answer], int]) -> None:
    port = serve(lambda number: (0, (OK, BUSY, BROKEN)[number % 3]))
    arrivals = open_loop.run(port, REQUEST, per_second=100, seconds=0.3, connections=4)
    assert (len(arrivals.latencies_ms), arrivals.refused, arrivals.failed) == (10, 10, {"status 500": 10})


def test_a_connection_that_breaks_off_is_an_error_and_is_made_anew(serve: Callable[[Answer], int]) -> None:
    port = serve(lambda number: (0, b"" if number == 3 else OK))
    arrivals = open_loop.run(port, REQUEST, per_second=100, seconds=0.3, connections=1)
    assert arrivals.failed == {"connection lost": 1}
    assert len(arrivals.latencies_ms) == 29


def test_what_waits_is_bounded(serve: Callable[[Answer], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "MAX_WAITING_SECONDS", 0.1)
    monkeypatch.setattr(open_loop, "LAST_ANSWERS_SECONDS", 0.1)
    began = time.monotonic()
    arrivals = open_loop.run(serve(lambda _: (30, OK)), REQUEST, per_second=100, seconds=0.5, connections=1)
    assert arrivals.failed == {"unsent": 39, "unanswered": 11}
    assert time.monotonic() - began < 5
    assert arrivals.percentile_ms(50) is None
