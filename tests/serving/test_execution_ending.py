"""How a queue begins and ends: its thread, what it still answers, and what it lets go of."""

from __future__ import annotations

import asyncio
import gc
import weakref
from http import HTTPStatus

import pytest

from serving.messages import Refused
from serving.model import InferenceFailed
from tests.serving.queues import PATIENCE_SECONDS, POISON, Gated, await_end_of, doubled, queue_of, rows, run, threads


def test_a_failed_request_s_rows_are_freed_without_the_garbage_collector() -> None:
    async def test() -> None:
        queue = queue_of(Gated().predict)
        inputs = rows(POISON)
        freed = weakref.ref(inputs["x"])
        answer = queue.submit(inputs)
        del inputs
        with pytest.raises(InferenceFailed):
            await answer
        del answer
        # The thread forgets them when it takes the next.
        await queue.submit(rows(1))
        assert freed() is None

    gc.disable()
    try:
        run(test)
    finally:
        gc.enable()


def test_stopping_answers_what_is_queued_and_takes_no_more() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict, label="stopping")
        answers = [queue.submit(rows(1)), queue.submit(rows(2))]
        stopping = asyncio.ensure_future(queue.stop(PATIENCE_SECONDS))
        await model.is_running()
        with pytest.raises(Refused) as refused:
            queue.submit(rows(3))
        assert (refused.value.status, refused.value.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "stopping")
        model.open()
        assert await doubled(answers) == [[2], [4]]
        await stopping

    run(test)
    await_end_of("stopping")


def test_what_outlasts_the_time_to_stop_is_refused_and_not_computed() -> None:
    model = Gated(shut=True)

    async def test() -> None:
        queue = queue_of(model.predict, label="too slow")
        answers = [queue.submit(rows(1))]
        await model.is_running()
        answers.append(queue.submit(rows(2)))
        await queue.stop(0)
        for answer in answers:
            with pytest.raises(Refused) as refused:
                await answer
            assert refused.value.code == "stopping"

    run(test)
    # The loop is closed by now, which must not harm the thread that comes out of its run.
    model.open()
    await_end_of("too slow")
    assert model.runs == [[1]]


def test_a_queue_that_nobody_holds_any_more_answers_what_it_has_and_ends_its_thread() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict, label="dropped")
        answers = [queue.submit(rows(1)), queue.submit(rows(2))]
        await model.is_running()
        gone = weakref.ref(queue)
        del queue
        model.open()
        assert await doubled(answers) == [[2], [4]]
        del answers
        await asyncio.to_thread(await_end_of, "dropped")
        assert gone() is None

    gc.disable()
    try:
        run(test)
    finally:
        gc.enable()


def test_a_thread_starts_with_the_first_request_not_before() -> None:
    async def test() -> None:
        queue = queue_of(Gated().predict, label="lazy")
        assert threads("lazy") == []
        await queue.submit(rows(1))
        assert len(threads("lazy")) == 1
        await queue.stop(PATIENCE_SECONDS)

    run(test)
