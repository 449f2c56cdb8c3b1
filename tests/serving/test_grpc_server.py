"""The gRPC listener: its limits, its drain, its port, and what it does to the process that it lives in."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from contract import service
from serving.model import Array
from serving.reader import Reader
from serving.rpc import settings as rpc_settings
from serving.worker import bind
from tests.serving.oip_versions import Echo, raw
from tests.serving.process import ROOT
from tests.serving.rpc_misuse import EMPTY_SETTINGS, GARBAGE, PREFACE, compressed, send_garbage
from tests.serving.rpc_server import ASKED, ECHO, LIMITS, PATIENCE_SECONDS, ROW, RpcServing, infer_request


class Held(Echo):
    """Answers from a queue, once it is let go."""

    def __init__(self) -> None:
        super().__init__(ECHO)
        self.queue: Any = self
        self.entered = threading.Event()
        self._let_go = asyncio.Event()

    async def submit(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        self.entered.set()
        await self._let_go.wait()
        return self.predict(inputs)

    def let_go(self, loop: Any) -> None:
        loop.call_soon_threadsafe(self._let_go.set)


# The drain


def test_a_call_in_flight_is_answered_while_the_server_stops() -> None:
    held = Held()
    with RpcServing(held) as serving:
        told = told_to_leave(serving)
        answer = serving.stub("ModelInfer").future(ASKED, timeout=PATIENCE_SECONDS)
        assert held.entered.wait(PATIENCE_SECONDS)
        stopping = threading.Thread(target=serving.stop, args=(PATIENCE_SECONDS,))
        stopping.start()
        assert told.wait(PATIENCE_SECONDS)
        assert not answer.done()
        held.let_go(serving.loop)
        assert answer.result().raw_output_contents[0] == raw([7], "FP32")
        stopping.join(PATIENCE_SECONDS)
        assert not stopping.is_alive()


def told_to_leave(serving: RpcServing) -> threading.Event:
    """Set once the server has asked the client's connection, which is open on return, to go."""
    opened, told = threading.Event(), threading.Event()

    def watch(state: grpc.ChannelConnectivity) -> None:
        if state is grpc.ChannelConnectivity.READY:
            opened.set()
        elif state is grpc.ChannelConnectivity.IDLE and opened.is_set():
            told.set()

    # Opened before any call: a state that comes and goes between two looks is not told.
    serving.channel.subscribe(watch, try_to_connect=True)
    assert opened.wait(PATIENCE_SECONDS)
    return told


def test_a_call_that_outlasts_the_grace_is_cut_off() -> None:
    held = Held()
    with RpcServing(held) as serving:
        answer = serving.stub("ModelInfer").future(ASKED, timeout=PATIENCE_SECONDS)
        assert held.entered.wait(PATIENCE_SECONDS)
        serving.stop(0.05)
        with pytest.raises(grpc.RpcError) as caught:
            answer.result()
        cut_off: Any = caught.value
        assert cut_off.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert serving.last_observed()[2:] == (499, "client_closed_request")


def test_open_streams_and_watchers_do_not_hold_up_the_stop() -> None:
    waiting = threading.Event()

    def messages() -> Any:
        yield ASKED
        waiting.wait(PATIENCE_SECONDS)

    with RpcServing(Echo(ECHO)) as serving:
        answers = serving.stream(messages())
        assert next(answers).error_message == ""
        stub: Any = health_pb2_grpc.HealthStub(serving.channel)
        watched = stub.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS)
        assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
        serving.ready = False
        serving.stop(PATIENCE_SECONDS)
        waiting.set()
        assert list(answers) == []
        assert [told.status for told in watched] == [health_pb2.HealthCheckResponse.NOT_SERVING]
        assert (answers.code(), watched.code()) == (grpc.StatusCode.OK, grpc.StatusCode.OK)


def test_clients_are_sent_off_their_connections_within_the_drain_and_lose_nothing_by_it() -> None:
    held = Held()
    with RpcServing(held, drain_seconds=0.4) as serving:
        told = told_to_leave(serving)
        answer = serving.stub("ModelInfer").future(ASKED, timeout=PATIENCE_SECONDS)
        assert held.entered.wait(PATIENCE_SECONDS)
        assert told.wait(PATIENCE_SECONDS)
        held.let_go(serving.loop)
        assert answer.result().raw_output_contents[0] == raw([7], "FP32")
        serving.call("ModelInfer", ASKED)


# Limits


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    with RpcServing(Held(), answer_timeout_seconds=0.05) as serving:
        code, said, _ = serving.refusal("ModelInfer", ASKED)
        assert (code, said) == (grpc.StatusCode.DEADLINE_EXCEEDED, "the answer took too long: try again")
        assert serving.last_observed()[2:] == (504, "timeout")


def test_a_call_that_its_client_gave_up_is_observed_as_that() -> None:
    held = Held()
    with RpcServing(held) as serving:
        answer = serving.stub("ModelInfer").future(ASKED, timeout=PATIENCE_SECONDS)
        assert held.entered.wait(PATIENCE_SECONDS)
        answer.cancel()
        assert serving.last_observed()[2:] == (499, "client_closed_request")
        assert serving.call("ServerLive")[0].live


def test_a_message_beyond_the_limit_is_refused_before_it_is_read() -> None:
    with RpcServing(Echo(ECHO)) as serving:
        large = infer_request(ROW, raw=[bytes(LIMITS.max_body_bytes)])
        assert serving.refusal("ModelInfer", large)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert serving.observed == []
        serving.call("ModelInfer", ASKED)


def test_a_compressed_message_is_refused_unread_since_its_size_would_only_show_unpacked() -> None:
    with RpcServing(Echo(ECHO)) as serving:
        assert compressed(serving) is grpc.StatusCode.UNIMPLEMENTED
        assert serving.observed == []


def test_metadata_beyond_the_limit_is_refused() -> None:
    with RpcServing(Echo(ECHO), max_head_bytes=4096) as serving:
        code, *_ = serving.refusal("ServerLive", metadata=(("x-large", "a" * 8192),))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert serving.call("ServerLive")[0].live


def test_connections_beyond_the_limit_are_closed() -> None:
    with RpcServing(Echo(ECHO), max_connections=2) as serving:
        greeted: list[bool] = []
        opened: list[socket.socket] = []
        for _ in range(4):
            connection = socket.create_connection(("127.0.0.1", serving.port), PATIENCE_SECONDS)
            connection.sendall(PREFACE + EMPTY_SETTINGS)
            try:
                greeted.append(connection.recv(1) != b"")
            except ConnectionResetError:
                greeted.append(False)
            opened.append(connection)
        for connection in opened:
            connection.close()
        assert greeted == [True, True, False, False]


@pytest.mark.parametrize("kind", GARBAGE)
def test_bytes_that_are_no_call_close_their_connection_and_harm_nobody(kind: str) -> None:
    with RpcServing(Echo(ECHO), head_timeout_seconds=0.2) as serving:
        serving.call("ModelInfer", ASKED)
        send_garbage(serving, kind)
        serving.call("ModelInfer", ASKED)
        assert [seen[2] for seen in serving.observed] == [200, 200]


# The port


def test_a_port_that_another_process_has_is_an_error_that_says_so() -> None:
    with RpcServing(Echo(ECHO)) as serving, pytest.raises(OSError, match=f"port {serving.port}: another"):
        serving.on_loop(open_like(serving, serving.port, shared=False))


def test_servers_of_several_workers_share_a_port_that_is_held_for_them() -> None:
    held = bind("127.0.0.1", 0, shared=True)
    port = held.getsockname()[1]
    with RpcServing(Echo(ECHO)) as serving:
        first, got = serving.on_loop(open_like(serving, port, shared=True))
        second, got_again = serving.on_loop(open_like(serving, port, shared=True))
        assert (got, got_again) == (port, port)
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            for server in (first, second):
                told = stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS, wait_for_ready=True)
                assert told.status == health_pb2.HealthCheckResponse.SERVING
                serving.on_loop(server.stop(0))
    held.close()


async def open_like(serving: RpcServing, port: int, *, shared: bool) -> Any:
    serving.shared = shared
    return await serving.open(port)


@pytest.mark.parametrize(
    ("given", "port"), [("", service.GRPC_PORT), ("off", None), ("0", 0), ("9001", 9001), ("65535", 65535)]
)
def test_the_port_is_a_number_or_off(given: str, port: int | None) -> None:
    reader = Reader({service.ENV_GRPC_PORT: given})
    assert (rpc_settings.read(reader), reader.faults) == (port, [])


@pytest.mark.parametrize("given", ["65536", "-1", "9000.0", "on", "٩", "1" * 5000])
def test_another_port_is_a_fault_that_says_what_is_allowed(given: str) -> None:
    reader = Reader({service.ENV_GRPC_PORT: given})
    rpc_settings.read(reader)
    (fault,) = reader.faults
    assert fault.startswith(f"{service.ENV_GRPC_PORT}: ")
    assert fault.endswith("a number from 0 to 65535, or off, is allowed")


# The process


def test_nothing_that_runs_before_the_fork_imports_grpc() -> None:
    code = "import sys, serving.supervisor, serving.rpc.opening, serving.rpc.settings; print('grpc' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert said.stdout == "False\n"


def test_requests_are_answered_while_grpc_is_loaded() -> None:
    code = """
import asyncio
import serving.worker
from serving.rpc.opening import load

async def main():
    loading, turns = asyncio.ensure_future(load()), 0
    while not loading.done():
        await asyncio.sleep(0)
        turns += 1
    print(turns > 10)
asyncio.run(main())
"""
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert said.stdout == "True\n"


def test_what_grpc_itself_has_to_say_is_kept_out_of_the_log_of_json_lines() -> None:
    code = """
import asyncio
from serving.rpc.opening import load
asyncio.run(load())

from tests.serving.oip_versions import Echo
from tests.serving.rpc_misuse import GARBAGE, compressed, send_garbage
from tests.serving.rpc_server import ECHO, RpcServing
with RpcServing(Echo(ECHO), head_timeout_seconds=0.2) as serving:
    for kind in GARBAGE:
        send_garbage(serving, kind)
    compressed(serving)
"""
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
