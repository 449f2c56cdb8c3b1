"""Models in a queue of their own: what is joined, in which order answers come, who is refused, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import service
from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import Version
from ops.demo_model import INPUT, DemoModel
from serving.execution import settings as execution_settings
from serving.execution.batches import Outputs
from serving.execution.choice import LEAST_SAVED_SECONDS, LONG_ROW_SECONDS, choose
from serving.execution.cost import MEASURED_ROWS, Cost, Estimate
from serving.execution.independence import rows_are_independent
from serving.execution.queued import Queue
from serving.execution.settings import ExecutionSettings
from serving.messages import Refused
from serving.model import Array, InferenceFailed, Model
from serving.reader import Reader
from serving.timing import Timing

PATIENCE_SECONDS = 10
POISON = -1.0
Test = Callable[[], Awaitable[None]]


class Gated:
    """Doubles its input, row by row, and can be held in the middle of a run."""

    def __init__(self, *, shut: bool = False) -> None:
        self.runs: list[list[float]] = []
        """The first value of each row, run by run."""
        self.entered = threading.Semaphore(0)
        self._gate = threading.Event()
        if not shut:
            self._gate.set()

    def open(self) -> None:
        self._gate.set()

    def predict(self, inputs: Mapping[str, Array]) -> Outputs:
        x = inputs["x"]
        self.runs.append(x.reshape(len(x), -1)[:, 0].tolist())
        self.entered.release()
        assert self._gate.wait(PATIENCE_SECONDS)
        if POISON in x:
            raise InferenceFailed("poison")
        return {"doubled": x * 2, "sum": x.reshape(len(x), -1).sum(axis=1)}

    async def is_running(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=PATIENCE_SECONDS)


def queue_of(predict: Callable[[Mapping[str, Array]], Outputs], **changed: Any) -> Queue:
    bounds: dict[str, Any] = {
        "label": "test 1.0.0",
        "loop": asyncio.get_running_loop(),
        "cost": Cost(run_seconds=1e-6, row_seconds=1e-6),
        "max_batch_rows": 8,
        "max_wait_ms": 60_000,
        "max_waiting_requests": 100,
    }
    return Queue(predict, **(bounds | changed))


def rows(*values: float, width: int = 1) -> dict[str, Array]:
    return {"x": np.repeat(np.array(values, dtype=np.float32)[:, None], width, axis=1)}


def run(test: Test) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await test()

    asyncio.run(bounded())


def threads(label: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"queue {label}"]


async def doubled(answers: list[asyncio.Future[Outputs]]) -> list[list[float]]:
    return [answer["doubled"][:, 0].tolist() for answer in await asyncio.gather(*answers)]


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


def test_more_requests_than_may_wait_are_refused_at_once() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict, max_waiting_requests=2)
        answers = [queue.submit(rows(1)), queue.submit(rows(2))]
        with pytest.raises(Refused, match="2 requests") as refused:
            queue.submit(rows(3))
        assert (refused.value.status, refused.value.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded")
        assert refused.value.headers == [(b"retry-after", b"1")]
        model.open()
        assert await doubled(answers) == [[2], [4]]
        assert await doubled([queue.submit(rows(3))]) == [[6]]

    run(test)


def test_a_request_that_would_wait_too_long_is_refused_and_an_empty_queue_refuses_nobody() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        # A run takes 60 s: alone it waits for nobody, behind another one too long.
        queue = queue_of(model.predict, cost=Cost(run_seconds=60, row_seconds=0), max_wait_ms=30_000)
        first = queue.submit(rows(1))
        await model.is_running()
        assert 50 < queue.wait_seconds <= 60
        with pytest.raises(Refused, match="30000 ms"):
            queue.submit(rows(2))
        model.open()
        assert await doubled([first]) == [[2]]
        assert await doubled([queue.submit(rows(2))]) == [[4]]

    run(test)


def test_behind_a_run_that_is_stuck_nobody_waits_longer_than_allowed() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict, max_wait_ms=1)
        stuck = queue.submit(rows(1))
        await model.is_running()
        # Whoever asked has given up, and the thread is still busy with it.
        stuck.cancel()
        await asyncio.sleep(0)
        while queue.wait_seconds < 0.002:
            await asyncio.sleep(0)
        assert queue.depth == 0
        with pytest.raises(Refused):
            queue.submit(rows(2))
        model.open()

    run(test)


def test_the_wait_counts_the_full_runs_before_a_request_s_own() -> None:
    estimate = Estimate(Cost(run_seconds=0.010, row_seconds=0.001), rows_per_run=10)
    assert estimate.wait_seconds(9) == 0
    assert estimate.wait_seconds(10) == estimate.wait_seconds(19) == pytest.approx(0.020)
    assert estimate.wait_seconds(35) == pytest.approx(0.060)


def test_the_wait_follows_how_long_recent_runs_took_and_how_many_rows_could_be_joined() -> None:
    estimate = Estimate(Cost(run_seconds=0.010, row_seconds=0), rows_per_run=10)
    for _ in range(50):
        estimate.learn(10, 0.020, left_some=False)
    assert estimate.run_seconds(1) == pytest.approx(0.020, rel=0.01)
    assert estimate.wait_seconds(10) == pytest.approx(0.020, rel=0.01)
    for _ in range(50):
        estimate.learn(1, 0.020, left_some=False)
    # A short run that left nothing says nothing about how many could have been joined.
    assert estimate.wait_seconds(10) == pytest.approx(0.020, rel=0.01)
    for _ in range(50):
        estimate.learn(2, 0.020, left_some=True)
    assert estimate.wait_seconds(11) == pytest.approx(0.100, rel=0.01)


@pytest.mark.parametrize(("gain", "run_seconds", "row_seconds"), [(16, 1, 0), (1, 0, 1), (0.5, 0, 1), (40, 1, 0)])
def test_a_cost_is_made_of_two_measured_runs_and_never_negative(
    gain: float, run_seconds: float, row_seconds: float
) -> None:
    cost = Cost.measured(1, gain)
    assert (cost.run_seconds, cost.row_seconds) == pytest.approx((run_seconds, row_seconds))


def test_a_cost_gives_back_the_measured_runs() -> None:
    cost = Cost.measured(0.004, 4)
    assert cost.seconds(1, 1) == pytest.approx(0.004)
    assert cost.seconds(1, MEASURED_ROWS) == pytest.approx(MEASURED_ROWS * 0.004 / 4)


def test_a_cost_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="both must exceed 0"):
        Cost.measured(0, 1)


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


def await_end_of(label: str) -> None:
    for thread in threads(label):
        thread.join(PATIENCE_SECONDS)
    assert threads(label) == []


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


METADATA = ModelMetadata(
    name="timed",
    version=Version(1, 0, 0),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    framework="none",
    inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
    outputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 3)),),
)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A version of which somebody says how long it takes."""

    row_seconds: float
    batch_gain: float = 1.0
    batchable: bool = True
    shared: bool = False
    """Whether a row's answer depends on its neighbours."""
    metadata: ModelMetadata = METADATA

    def predict(self, inputs: Mapping[str, Array], /) -> Outputs:
        return {name: array / array.max() if self.shared else array for name, array in inputs.items()}


JOINED = ExecutionSettings().max_batch_rows


@pytest.mark.parametrize(
    ("mode", "version", "expected"),
    [
        pytest.param("auto", Timed(row_seconds=6e-6, batch_gain=6.6), None, id="a small model runs inline"),
        pytest.param("auto", Timed(row_seconds=4e-4, batch_gain=9.9), JOINED, id="much is saved by joining"),
        pytest.param("auto", Timed(row_seconds=4e-4), None, id="nothing is saved by joining"),
        pytest.param(
            "auto", Timed(row_seconds=4e-4, batch_gain=9.9, batchable=False), None, id="nothing may be joined"
        ),
        pytest.param(
            "auto", Timed(row_seconds=4e-4, batch_gain=9.9, shared=True), None, id="rows are found to depend on others"
        ),
        pytest.param("queued", Timed(row_seconds=1.0, batch_gain=9.9, shared=True), 1, id="they do, one by one"),
        pytest.param("auto", Timed(row_seconds=LONG_ROW_SECONDS), 1, id="a long row is queued, one by one"),
        pytest.param("auto", Timed(row_seconds=LONG_ROW_SECONDS, batch_gain=5.0), JOINED, id="a long row is joined"),
        pytest.param("auto", Timed(row_seconds=2.1 * LEAST_SAVED_SECONDS, batch_gain=2.0), JOINED, id="just enough"),
        pytest.param("auto", Timed(row_seconds=1.9 * LEAST_SAVED_SECONDS, batch_gain=2.0), None, id="just too little"),
        pytest.param("inline", Timed(row_seconds=1.0, batch_gain=10.0), None, id="inline by setting"),
        pytest.param("queued", Timed(row_seconds=6e-6, batch_gain=6.6), JOINED, id="queued by setting"),
        pytest.param("queued", Timed(row_seconds=6e-6, batchable=False), 1, id="queued by setting, one by one"),
    ],
)
def test_where_a_version_runs_follows_from_what_was_measured_and_the_setting(
    mode: execution_settings.Mode, version: Timed, expected: int | None
) -> None:
    async def test() -> None:
        wanted = replace(ExecutionSettings(), mode=mode)
        timing = Timing(row_seconds=version.row_seconds, batch_gain=version.batch_gain)
        queue = choose(version, timing, wanted, max_wait_ms=100, loop=asyncio.get_running_loop())
        assert (None if queue is None else queue.max_batch_rows) == expected

    run(test)


def test_a_model_whose_rows_do_not_touch_each_other_may_be_joined(first: DemoModel, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(first.onnx)
    model = Model.load(first.metadata, path)
    assert rows_are_independent(first.metadata, model.predict)
    assert rows_are_independent(replace(first.metadata, sample=None), model.predict)


def test_a_model_that_scales_by_the_largest_value_of_a_run_may_not_be_joined(first: DemoModel) -> None:
    def quantised(inputs: Mapping[str, Array]) -> Outputs:
        x = inputs[INPUT]
        step = np.abs(x).max() / 127
        return {"scores": np.round(x / step) * step}

    assert not rows_are_independent(first.metadata, quantised)
    assert not rows_are_independent(replace(first.metadata, sample=None), quantised)


def test_a_model_with_one_output_for_all_rows_or_none_at_all_may_not_be_joined(first: DemoModel) -> None:
    def total(inputs: Mapping[str, Array]) -> Outputs:
        return {"total": inputs[INPUT].sum(keepdims=True)}

    def failing(_: Mapping[str, Array]) -> Outputs:
        raise InferenceFailed("cannot")

    assert not rows_are_independent(first.metadata, total)
    assert not rows_are_independent(first.metadata, failing)


def test_the_settings_come_from_the_environment() -> None:
    reader = Reader(
        {
            service.ENV_EXECUTION: "queued",
            service.ENV_MAX_BATCH_ROWS: "16",
            service.ENV_MAX_WAITING_REQUESTS: "9",
        }
    )
    assert execution_settings.read(reader) == ExecutionSettings(
        mode="queued", max_batch_rows=16, max_waiting_requests=9
    )
    assert execution_settings.read(Reader({})) == ExecutionSettings()
    assert reader.faults == []


def test_settings_that_are_not_allowed_are_told_together() -> None:
    reader = Reader({service.ENV_EXECUTION: "batched", service.ENV_MAX_BATCH_ROWS: "0"})
    execution_settings.read(reader)
    assert [fault.split()[0] for fault in reader.faults] == [
        service.ENV_EXECUTION,
        service.ENV_MAX_BATCH_ROWS,
    ]
    assert "auto, inline, queued" in reader.faults[0]
