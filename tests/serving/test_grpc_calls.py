"""The calls around inference over gRPC: readiness, metadata, the repository, access and streams."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from contract import access
from contract.access import OPERATOR, ApiKeyRecord
from serving.access import memory
from serving.access.admission import Admission
from serving.access.gate import Gate
from serving.access.keys import KeyRing
from serving.access.limits import RateLimits, per_minute
from serving.rpc import open_inference_pb2 as pb
from serving.rpc.protocol import SERVICE
from serving.tracing.settings import Sampling
from serving.tracing.span import Span
from serving.tracing.tracer import Tracer
from tests.serving.oip_versions import Echo, metadata_of, raw, spec
from tests.serving.rpc_server import ASKED, ECHO, PATIENCE_SECONDS, ROW, RpcServing, infer_request

WRONG = infer_request(ROW, raw=[b""])
INFER = f"/{SERVICE}/ModelInfer"


@pytest.fixture
def serving() -> Iterator[RpcServing]:
    with RpcServing(Echo(ECHO)) as started:
        yield started


class Door:
    """An admission that knows a caller of the model `echo`, one of another model, and an operator."""

    def __init__(self, requests_per_minute: int = 100) -> None:
        records: list[ApiKeyRecord] = []
        keys: list[str] = []
        for scope in ("echo", "other", OPERATOR):
            text, record = access.issue(user_id="ada", scopes=[scope], now=time.time())
            keys.append(text)
            records.append(record)
        self.caller, self.other, self.operator = ((("x-api-key", text),) for text in keys)
        self.bearer = (("authorization", f"Bearer {keys[0]}"),)
        ring = KeyRing()
        ring.replace(records)
        limits = RateLimits(memory.create(1, keys=64), 0)
        self.admission = Admission(Gate(ring), limits, default=per_minute(requests_per_minute))


# Readiness and metadata


def test_the_server_says_what_it_is_and_whether_it_is_ready(serving: RpcServing) -> None:
    assert serving.call("ServerLive")[0].live
    assert serving.call("ServerReady")[0].ready
    serving.ready = False
    assert serving.call("ServerLive")[0].live
    assert not serving.call("ServerReady")[0].ready
    server, _ = serving.call("ServerMetadata")
    assert (server.name, server.version, "model_repository" in server.extensions) == ("serveml", "0.1.0", True)


def test_a_model_describes_its_tensors_and_versions(serving: RpcServing) -> None:
    serving.models.versions.append(Echo(metadata_of(spec("x", "FP32", -1, 1), version="1.1.0")))
    model, _ = serving.call("ModelMetadata", pb.ModelMetadataRequest(name="echo", version="1.0.0"))
    assert (model.name, list(model.versions), model.platform) == ("echo", ["1.0.0", "1.1.0"], "onnxruntime_onnx")
    assert [(i.name, i.datatype, list(i.shape)) for i in model.inputs] == [("x", "FP32", [-1, 1])]
    assert [output.name for output in model.outputs] == ["same_x"]


@pytest.mark.parametrize(
    ("name", "version", "ready"),
    [("echo", "", True), ("echo", "1.0.0", True), ("echo", "2.0.0", False), ("no", "", False)],
)
def test_a_model_that_is_not_there_is_not_ready(serving: RpcServing, name: str, version: str, ready: bool) -> None:
    assert serving.call("ModelReady", pb.ModelReadyRequest(name=name, version=version))[0].ready is ready


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelInfer"])
def test_a_model_that_is_not_there_is_not_found(serving: RpcServing, method: str) -> None:
    named = pb.ModelMetadataRequest(name="no") if method == "ModelMetadata" else infer_request(ROW, model_name="no")
    code, said, _ = serving.refusal(method, named)
    assert (code, said.startswith("no such model or version is loaded")) == (grpc.StatusCode.NOT_FOUND, True)


def test_before_any_model_is_loaded_calls_are_told_to_come_back(serving: RpcServing) -> None:
    serving.models.versions.clear()
    code, _, trailers = serving.refusal("ModelInfer", ASKED)
    assert (code, trailers["retry-after"]) == (grpc.StatusCode.UNAVAILABLE, "5")


def test_a_call_that_is_not_served_is_unimplemented(serving: RpcServing) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        serving.channel.unary_unary(f"/{SERVICE}/SystemSharedMemoryStatus")(b"", timeout=PATIENCE_SECONDS)
    refused: Any = caught.value
    assert refused.code() is grpc.StatusCode.UNIMPLEMENTED


# What is kept of a call


def test_a_call_is_observed_like_a_request_and_keeps_the_caller_s_id(serving: RpcServing) -> None:
    _, trailers = serving.call("ModelInfer", ASKED, (("x-request-id", "mine-1"),))
    assert trailers["x-request-id"] == "mine-1"
    serving.refusal("ModelInfer", WRONG, (("x-request-id", "not well-formed"),))
    (first, route, status, code), (second, *refused) = serving.last_observed(1), serving.last_observed(2)
    assert (first.request_id, first.method, route, status, code) == ("mine-1", "POST", INFER, 200, "")
    assert refused == [INFER, 400, "invalid_request"]
    assert len(second.request_id) == 32
    assert serving.counted.outcomes == [("1.0.0", "ok"), ("1.0.0", "invalid")]


def test_a_call_goes_on_with_its_caller_s_trace() -> None:
    spans: list[Span] = []
    tracer = Tracer(Sampling(True, 0.0), spans.append, server_address="pod-1", server_port=9000)
    with RpcServing(Echo(ECHO), trace=tracer.start) as serving:
        serving.call("ModelInfer", ASKED)
        trace_id = "0af7651916cd43dd8448eb211c80319c"
        parent = (("traceparent", f"00-{trace_id}-b7ad6b7169203331-01"),)
        _, trailers = serving.call("ModelInfer", ASKED, parent)
        untraced, traced = serving.last_observed(1)[0], serving.last_observed(2)[0]
        assert (untraced.span, traced.trace_id) == (None, trace_id)
        assert trace_id in trailers["traceresponse"]


def test_an_error_of_our_own_is_internal_and_says_nothing_of_itself(serving: RpcServing) -> None:
    def broken(request: Any, model_name: str) -> None:
        raise ValueError("a secret")

    serving.control.entrance.admit = broken  # type: ignore[method-assign]
    code, said, _ = serving.refusal("ModelInfer", ASKED)
    assert (code, "secret" in said) == (grpc.StatusCode.INTERNAL, False)
    assert serving.last_observed()[2:] == (500, "internal")


# The repository


def test_published_versions_are_listed_loaded_and_unloaded(serving: RpcServing) -> None:
    serving.models.published.append(Echo(metadata_of(spec("x", "FP32", -1, 1), version="0.9.0")))

    def states(*, ready: bool = False) -> dict[str, str]:
        index, _ = serving.call("RepositoryIndex", pb.RepositoryIndexRequest(ready=ready))
        return {model.version: model.state for model in index.models}

    def named(kind: Any, version: str) -> Any:
        return kind(model_name="echo", parameters={"version": pb.ModelRepositoryParameter(string_param=version)})

    assert states() == {"1.0.0": "READY", "0.9.0": "UNAVAILABLE"}
    assert states(ready=True) == {"1.0.0": "READY"}
    serving.call("RepositoryModelLoad", named(pb.RepositoryModelLoadRequest, "0.9.0"))
    assert states()["0.9.0"] == "READY"
    serving.call("RepositoryModelUnload", named(pb.RepositoryModelUnloadRequest, "0.9.0"))
    assert states()["0.9.0"] == "UNAVAILABLE"
    current = serving.refusal("RepositoryModelUnload", named(pb.RepositoryModelUnloadRequest, "1.0.0"))
    assert (current[0], "current version" in current[1]) == (grpc.StatusCode.FAILED_PRECONDITION, True)
    unknown = serving.refusal("RepositoryModelLoad", named(pb.RepositoryModelLoadRequest, "3.0.0"))
    assert unknown[0] is grpc.StatusCode.NOT_FOUND


def test_without_a_version_the_current_one_is_meant_which_is_loaded_and_stays(serving: RpcServing) -> None:
    assert serving.call("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="echo")) is not None
    asked = pb.RepositoryModelUnloadRequest(model_name="echo")
    code, said, _ = serving.refusal("RepositoryModelUnload", asked)
    assert (code, "no version is named" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True)


# Access


def test_who_may_call_is_read_from_the_metadata() -> None:
    door = Door()
    with RpcServing(Echo(ECHO), admission=door.admission) as serving:
        _, trailers = serving.call("ModelInfer", ASKED, door.caller)
        assert (trailers["ratelimit-limit"], trailers["ratelimit-remaining"]) == ("100", "99")
        assert serving.call("ModelInfer", ASKED, door.bearer)[1]["ratelimit-remaining"] == "98"
        for metadata in ((), (("x-api-key", door.caller[0][1][:-1] + "?"),), door.caller * 2):
            code, _, trailers = serving.refusal("ModelInfer", ASKED, metadata)
            assert code is grpc.StatusCode.UNAUTHENTICATED
            assert trailers["www-authenticate"].startswith("Bearer")
        assert serving.refusal("ModelInfer", ASKED, door.other)[0] is grpc.StatusCode.PERMISSION_DENIED
        assert serving.refusal("ModelInfer", ASKED, door.caller + door.bearer)[0] is grpc.StatusCode.INVALID_ARGUMENT
        assert serving.call("ServerReady")[0].ready


def test_only_callers_with_credentials_may_look_and_only_operators_may_change() -> None:
    door = Door()
    with RpcServing(Echo(ECHO), admission=door.admission) as serving:
        for method in ("ModelReady", "ModelMetadata", "RepositoryIndex"):
            assert serving.refusal(method)[0] is grpc.StatusCode.UNAUTHENTICATED
            serving.call(method, metadata=door.other)
        for method in ("RepositoryModelLoad", "RepositoryModelUnload"):
            assert serving.refusal(method)[0] is grpc.StatusCode.UNAUTHENTICATED
            assert serving.refusal(method, metadata=door.caller)[0] is grpc.StatusCode.PERMISSION_DENIED
            assert serving.refusal(method, metadata=door.operator)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_who_calls_too_often_is_told_when_to_come_back() -> None:
    door = Door(requests_per_minute=2)
    with RpcServing(Echo(ECHO), admission=door.admission) as serving:
        for _ in range(2):
            serving.call("ModelInfer", ASKED, door.caller)
        code, said, trailers = serving.refusal("ModelInfer", ASKED, door.caller)
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert said.startswith("too many requests")
        assert (trailers["ratelimit-remaining"], 1 <= int(trailers["retry-after"]) <= 30) == ("0", True)


# Streams


def test_a_stream_answers_each_message_in_turn_and_goes_on_after_a_refusal(serving: RpcServing) -> None:
    asked = [infer_request(ROW, raw=[raw([n], "FP32")], id=str(n)) for n in range(3)]
    answers = list(serving.stream([*asked[:2], WRONG, asked[2]]))
    assert [answer.infer_response.id for answer in answers] == ["0", "1", "", "2"]
    assert [bool(answer.error_message) for answer in answers] == [False, False, True, False]
    assert answers[2].error_message.startswith("inputs[0] has 0 bytes")
    assert [seen[2] for seen in serving.observed] == [200, 200, 400, 200]
    assert answers[0].infer_response.raw_output_contents[0] == raw([0], "FP32")


def test_a_stream_without_credentials_ends_with_its_first_message() -> None:
    door = Door(requests_per_minute=1)
    with RpcServing(Echo(ECHO), admission=door.admission) as serving:
        for metadata, expected in (((), "UNAUTHENTICATED"), (door.other, "PERMISSION_DENIED")):
            with pytest.raises(grpc.RpcError) as caught:
                list(serving.stream([ASKED, ASKED], metadata))
            refused: Any = caught.value
            assert refused.code().name == expected
        answers = list(serving.stream([ASKED, ASKED], door.caller))
        assert [answer.error_message[:17] for answer in answers] == ["", "too many requests"]


def test_calls_from_many_threads_are_all_answered(serving: RpcServing) -> None:
    answers: list[bytes] = []

    def ask(value: int) -> None:
        for _ in range(20):
            answer, _ = serving.call("ModelInfer", infer_request(ROW, raw=[raw([value], "FP32")]))
            answers.append(answer.raw_output_contents[0])

    threads = [threading.Thread(target=ask, args=(value,)) for value in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert sorted(answers) == sorted(raw([value], "FP32") for value in range(8) for _ in range(20))
