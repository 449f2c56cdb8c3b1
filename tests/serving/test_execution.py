"""Models in a queue of their own: what is joined, and that each request is answered as it is alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.demo_model import INPUT, DemoModel
from serving.execution.batches import Outputs
from serving.model import Array, InferenceFailed, Model
from tests.serving.queues import PATIENCE_SECONDS, POISON, Gated, doubled, queue_of, rows, run


def test_what_waits_while_a_run_goes_on_is_run_together_and_answered_in_its_order() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict)
        answers = [queue.submit(rows(1))]
        await model.is_running()
        answers += [queue.submit(rows(2, 3)), queue.submit(rows(4)), queue.submit(rows(5))]
        assert queue.depth == 4
        model.open()
        assert await doubled(answers) == [[2], [4, 6], [8], [10]]
        # The first did not wait for more to come.
        assert model.runs == [[1], [2, 3, 4, 5]]
        assert queue.depth == 0

    run(test)


def test_a_run_takes_no_more_rows_than_allowed_and_a_larger_request_goes_alone() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict, max_batch_rows=3)
        answers = [queue.submit(rows(0))]
        await model.is_running()
        for request in [(1, 2), (3, 4), (5,), (6, 7, 8, 9), (10,)]:
            answers.append(queue.submit(rows(*request)))
        model.open()
        await doubled(answers)
        assert model.runs == [[0], [1, 2], [3, 4, 5], [6, 7, 8, 9], [10]]

    run(test)


def test_only_requests_of_one_shape_are_joined_and_none_is_left_behind() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict)
        answers = [queue.submit(rows(0))]
        await model.is_running()
        for value, width in [(1, 2), (2, 3), (3, 2), (4, 3)]:
            answers.append(queue.submit(rows(value, width=width)))
        model.open()
        assert await doubled(answers) == [[0], [2], [4], [6], [8]]
        assert model.runs == [[0], [1, 3], [2, 4]]

    run(test)


def test_inputs_are_joined_by_name_whatever_their_order() -> None:
    async def test() -> None:
        model = Gated(shut=True)

        def difference(inputs: Mapping[str, Array]) -> Outputs:
            model.predict(inputs)
            return {"difference": inputs["x"] - inputs["y"]}

        queue = queue_of(difference)
        one, two = np.ones((1, 1)), np.full((1, 1), 2.0)
        answers = [queue.submit({"x": one, "y": one})]
        await model.is_running()
        answers += [queue.submit({"x": one, "y": two}), queue.submit({"y": two, "x": one})]
        model.open()
        found = [answer["difference"].tolist() for answer in await asyncio.gather(*answers)]
        assert found == [[[0]], [[-1]], [[-1]]]
        assert len(model.runs) == 2

    run(test)


def test_the_event_loop_goes_on_while_the_model_computes_and_wakes_once_for_a_whole_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        model = Gated(shut=True)
        loop = asyncio.get_running_loop()
        queue = queue_of(model.predict)
        answers = [queue.submit(rows(0))]
        await model.is_running()
        await asyncio.sleep(0)
        assert not answers[0].done()
        wake_ups: list[object] = []
        wake_up = loop.call_soon_threadsafe

        def counted(*args: Any) -> asyncio.Handle:
            wake_ups.append(args)
            return wake_up(*args)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        answers += [queue.submit(rows(value)) for value in range(1, 8)]
        model.open()
        await doubled(answers)
        assert len(wake_ups) == len(model.runs) == 2

    run(test)


def test_a_request_given_up_while_it_waits_is_never_computed_and_makes_room_at_once() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict, max_waiting_requests=3)
        first = queue.submit(rows(0))
        await model.is_running()
        given_up, kept = queue.submit(rows(1)), queue.submit(rows(2))
        given_up.cancel()
        await asyncio.sleep(0)
        assert queue.depth == 2
        late = queue.submit(rows(3))
        model.open()
        assert await doubled([first, kept, late]) == [[0], [4], [6]]
        assert model.runs == [[0], [2, 3]]

    run(test)


def test_a_request_given_up_while_it_runs_does_not_disturb_those_that_run_with_it() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict)
        first = queue.submit(rows(0))
        await model.is_running()
        given_up, kept = queue.submit(rows(1)), queue.submit(rows(2))
        model.open()
        await model.is_running()
        given_up.cancel()
        assert await doubled([first, kept]) == [[0], [4]]

    run(test)


def test_a_request_that_the_model_fails_on_fails_alone() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict)
        first = queue.submit(rows(0))
        await model.is_running()
        before, poisonous, after = queue.submit(rows(1)), queue.submit(rows(POISON)), queue.submit(rows(2))
        model.open()
        assert await doubled([first, before, after]) == [[0], [2], [4]]
        with pytest.raises(InferenceFailed):
            await poisonous
        assert model.runs == [[0], [1, POISON, 2], [1], [POISON], [2]]
        assert await doubled([queue.submit(rows(3))]) == [[6]]

    run(test)


def test_outputs_that_do_not_count_rows_are_found_out_and_joined_no_more() -> None:
    async def test() -> None:
        model = Gated(shut=True)

        def summed(inputs: Mapping[str, Array]) -> Outputs:
            return {"total": model.predict(inputs)["sum"].sum(keepdims=True)}

        queue = queue_of(summed)
        answers = [queue.submit(rows(0))]
        await model.is_running()
        answers += [queue.submit(rows(1, 2)), queue.submit(rows(3))]
        model.open()
        assert [answer["total"].tolist() for answer in await asyncio.gather(*answers)] == [[0], [3], [3]]
        assert queue.max_batch_rows == 1

    run(test)


def test_rows_of_runs_and_waits_of_requests_are_told() -> None:
    class Seen(list[float]):
        def observe(self, value: float, /) -> None:
            self.append(value)

    async def test() -> None:
        model, batch_rows, waited = Gated(shut=True), Seen(), Seen()
        queue = queue_of(model.predict, batch_rows=batch_rows, waited_seconds=waited)
        answers = [queue.submit(rows(1))]
        await model.is_running()
        answers += [queue.submit(rows(2, 3)), queue.submit(rows(4))]
        model.open()
        await doubled(answers)
        assert batch_rows == [1, 3]
        assert len(waited) == 3
        assert all(0 <= seconds < PATIENCE_SECONDS for seconds in waited)

    run(test)


@settings(max_examples=60, deadline=None)
@given(
    arrivals=st.lists(
        st.lists(
            st.tuples(st.integers(1, 5), st.integers(1, 2), st.sampled_from(["keep", "give up", "poison"])), max_size=6
        ),
        max_size=12,
    ),
    max_batch_rows=st.sampled_from([1, 3, 8, 64]),
)
def test_whatever_arrives_together_each_request_gets_the_answer_that_it_gets_alone(
    arrivals: list[list[tuple[int, int, str]]], max_batch_rows: int
) -> None:
    weights = {width: np.random.default_rng(width).standard_normal((width, 3)).astype(np.float32) for width in (1, 2)}

    def predict(inputs: Mapping[str, Array]) -> Outputs:
        x = inputs["x"]
        if not np.isfinite(x).all():
            raise InferenceFailed("poison")
        return {"scores": np.tanh(x @ weights[x.shape[1]]), "best": (x @ weights[x.shape[1]]).argmax(axis=1)}

    async def test() -> None:
        generator = np.random.default_rng(0)
        queue = queue_of(predict, max_batch_rows=max_batch_rows)
        asked: list[tuple[dict[str, Array], str, asyncio.Future[Outputs]]] = []
        for turn in arrivals:
            for count, width, kind in turn:
                x = generator.standard_normal((count, width)).astype(np.float32)
                if kind == "poison":
                    x[-1, -1] = np.nan
                asked.append(({"x": x}, kind, queue.submit({"x": x})))
                if kind == "give up":
                    asked[-1][2].cancel()
            await asyncio.sleep(0)
        for inputs, kind, answer in asked:
            if kind == "give up":
                assert answer.cancelled()
            elif kind == "poison":
                with pytest.raises(InferenceFailed):
                    await answer
            else:
                expected = predict(inputs)
                found = await answer
                np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-5, atol=1e-6)
                np.testing.assert_array_equal(found["best"], expected["best"])
        await asyncio.sleep(0)
        assert queue.depth == 0
        assert queue.wait_seconds == 0

    run(test)


def test_a_real_model_answers_many_callers_at_once_as_it_answers_each_alone(first: DemoModel, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(first.onnx)
    model = Model.load(first.metadata, path)
    batches: list[int] = []

    def predict(inputs: Mapping[str, Array]) -> Outputs:
        batches.append(len(inputs[INPUT]))
        return model.predict(inputs)

    async def test() -> None:
        queue = queue_of(predict, max_batch_rows=16, max_waiting_requests=1000)
        asked = [{INPUT: np.array([row], dtype=np.float32)} for row in first.holdout_rows]
        answers = await asyncio.gather(*(queue.submit(inputs) for inputs in asked))
        for inputs, answer in zip(asked, answers, strict=True):
            expected = model.predict(inputs)
            np.testing.assert_array_equal(answer["label"], expected["label"])
            np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], rtol=1e-5)
        assert sum(batches) == len(asked) > len(batches)

    uvloop.run(asyncio.wait_for(test(), PATIENCE_SECONDS))
