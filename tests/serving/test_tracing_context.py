"""Trace contexts: which requests are recorded, what of a caller's context counts, and what is passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from serving.tracing import calls, context
from serving.tracing.settings import Sampling
from serving.tracing.span import Kind, active, child, current, current_headers
from tests.serving.spans import CALLER, SAMPLED, TRACE_ID, predict_request, record, recorder

NOT_SAMPLED = f"00-{TRACE_ID}-{CALLER}-00".encode()

# Which requests are recorded


def test_a_request_without_a_context_starts_a_trace_of_its_own() -> None:
    tracer, _ = recorder()
    spans = [record(tracer, predict_request()) for _ in range(2)]
    assert len({span.trace_id for span in spans}) == 2
    assert all(len(span.trace_id) == 32 and span.parent_id == b"" for span in spans)
    # Sampled, and made of random digits.
    assert spans[0].traceparent == f"00-{spans[0].trace_id}-{spans[0].id.decode()}-03".encode()


def test_the_callers_word_on_sampling_counts_where_it_is_parent_based() -> None:
    silent, _ = recorder(Sampling(True, 0.0))
    talkative, _ = recorder(Sampling(True, 1.0))
    assert silent.start({}) is None
    assert silent.start({b"traceparent": SAMPLED}) is not None
    assert talkative.start({b"traceparent": NOT_SAMPLED}) is None
    assert talkative.start({b"traceparent": NOT_SAMPLED[:-2] + b"02"}) is None
    assert talkative.start({b"traceparent": b"cc" + NOT_SAMPLED[2:] + b"-more"}) is None


def test_the_callers_word_on_sampling_does_not_count_otherwise() -> None:
    always, _ = recorder(Sampling(False, 1.0))
    span = always.start({b"traceparent": NOT_SAMPLED})
    assert span is not None
    assert (span.trace_id, span.parent_id, span.trace.flags) == (TRACE_ID, CALLER.encode(), 1)
    half, _ = recorder(Sampling(False, 0.5))
    low, high = (b"00-" + b"1" * 16 + digit * 16 + b"-00f067aa0ba902b7-01" for digit in (b"7", b"8"))
    assert half.start({b"traceparent": low}) is not None
    assert half.start({b"traceparent": high}) is None


def test_the_ratio_picks_about_so_many_of_the_traces_that_start_here() -> None:
    tracer, _ = recorder(Sampling(True, 0.25))
    picked = sum(tracer.start({}) is not None for _ in range(4000))
    # Six standard deviations either way.
    assert 830 < picked < 1170


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"00",
        f"00-{TRACE_ID}-{CALLER}-01-more".encode(),
        f"00-{TRACE_ID}-{CALLER}-01.".encode(),
        f"cc-{TRACE_ID}-{CALLER}-01.more".encode(),
        f"ff-{TRACE_ID}-{CALLER}-01".encode(),
        f"0-{TRACE_ID}-{CALLER}-01".encode(),
        f"000-{TRACE_ID}-{CALLER}-01".encode(),
        f"00-{'0' * 32}-{CALLER}-01".encode(),
        f"00-{TRACE_ID}-{'0' * 16}-01".encode(),
        f"00-{TRACE_ID.upper()}-{CALLER}-01".encode(),
        f"00-{TRACE_ID[:-1]}-{CALLER}-01".encode(),
        f"00-{TRACE_ID}-{CALLER}0-01".encode(),
        f"00-{TRACE_ID}-{CALLER}-1".encode(),
        f"00-{TRACE_ID}-{CALLER}-x1".encode(),
        f"00-{TRACE_ID}-{CALLER}-01\n".encode(),
        # As the server joins a header that came twice.
        SAMPLED + b", " + SAMPLED,
    ],
)
def test_a_malformed_context_starts_a_new_trace(malformed: bytes) -> None:
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": malformed, b"tracestate": b"vendor=1"})
    assert span is not None
    assert span.trace_id != TRACE_ID
    assert (span.parent_id, span.trace.state) == (b"", b"")


@pytest.mark.parametrize("version", ["cc", "01"])
@pytest.mark.parametrize("rest", ["", "-", "-what-the-future-holds"])
def test_a_later_versions_context_is_read_as_far_as_it_is_known(version: str, rest: str) -> None:
    parent = context.parse(f"{version}-{TRACE_ID}-{CALLER}-fb{rest}".encode())
    assert parent == (TRACE_ID.encode(), CALLER.encode(), 0xFB)
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": f"{version}-{TRACE_ID}-{CALLER}-fb{rest}".encode()})
    assert span is not None
    # The flags without a meaning are not passed on.
    assert span.traceparent == f"00-{TRACE_ID}-{span.id.decode()}-03".encode()


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
        (b"a=1, ,\tt/v@x=2 3,,", b"a=1,t/v@x=2 3"),
        (b"", b""),
        (b"a=1,a=2", b""),
        (b"A=1", b""),
        (b"a=1,b", b""),
        (b"a=1=2", b""),
        (b"a=", b""),
        (b",".join(b"k%d=1" % number for number in range(33)), b""),
        (b"a=" + b"x" * 256 + b",b=" + b"y" * 256, b""),
    ],
)
def test_a_malformed_or_overlong_tracestate_is_dropped(given: bytes, passed_on: bytes) -> None:
    assert context.passed_on(given) == passed_on


# To the caller, and to whoever is called


def test_the_answer_names_the_span_that_the_request_became() -> None:
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": SAMPLED})
    assert span is not None
    assert span.answer_line == f"traceresponse: 00-{TRACE_ID}-{span.id.decode()}-01\r\n".encode()


def test_calls_of_a_request_carry_its_current_span_also_from_tasks_and_threads() -> None:
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": SAMPLED, b"tracestate": b"vendor=1"})
    assert span is not None

    async def route() -> list[Mapping[str, str]]:
        with span.child("features", Kind.CLIENT) as features:
            headers = [current_headers(), await asyncio.to_thread(current_headers)]
        assert headers[0] == {"traceparent": features.traceparent.decode(), "tracestate": "vendor=1"}
        return [*headers, current_headers()]

    async def answer() -> list[Mapping[str, str]]:
        with active(span):
            task = asyncio.ensure_future(route())
        assert current() is None
        return await task

    within, in_thread, after = asyncio.run(answer())
    assert within == in_thread != after
    assert after["traceparent"] == span.traceparent.decode()
    assert current_headers() == {}


def test_a_child_of_nothing_is_nothing() -> None:
    with child("inference") as span:
        assert span is None


def test_a_botocore_client_sends_the_context_of_the_request_and_none_without_one(endpoint: str) -> None:
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    calls.link(client)
    requests: list[dict[str, Any]] = []

    def keep(request: Any, **_: Any) -> None:
        requests.append(dict(request.headers))

    client.meta.events.register_last("before-send", keep)
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": SAMPLED})
    assert span is not None
    with active(span):
        client.list_tables()
    client.list_tables()
    traced, alone = requests
    assert traced["traceparent"] == span.traceparent.decode()
    assert b"traceparent" not in traced["Authorization"]
    assert "traceparent" not in alone
