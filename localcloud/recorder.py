"""Runs a Pulumi program on the SDK's own mock monitor, and records what the engine would have been told.

The mocks alone do not show options such as `protect` or `parent`, so the monitor's RegisterResource is
wrapped here. What a resource answers (its id and outputs) comes from a Backend: synthesised values, or moto.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import pulumi
from google.protobuf import empty_pb2, json_format
from pulumi.output import Unknown
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import rpc
from pulumi.runtime import settings as pulumi_settings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack
from pulumi.runtime.sync_await import (
    _ensure_event_loop as ensure_event_loop,  # pyright: ignore[reportPrivateUsage]
)
from pulumi.runtime.sync_await import (
    _sync_await as sync_await,  # pyright: ignore[reportPrivateUsage]
)

from localcloud.graph import SECRET, UNKNOWN, Graph, Invoke, Node

PROJECT = "serveml"


@dataclass(frozen=True)
class Registration:
    """A custom resource that the program asks for. `inputs` hold real values, secrets included."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class Created:
    """What the provider answers: the physical id, and outputs beyond the inputs."""

    id: str
    outputs: Mapping[str, Any]


class Backend(Protocol):
    """Stands in for the providers. Called from several threads at once."""

    def create(self, registration: Registration) -> Created: ...

    def invoke(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]: ...


class RegistrationFailed(Exception):
    """A backend refused a resource or a function call: says which, and why."""


class _Mocks(pulumi_mocks.Mocks):
    """Unused for resources (the monitor below answers them); answers function calls."""

    def __init__(self, backend: Backend, invokes: list[Invoke]) -> None:
        self._backend = backend
        self._invokes = invokes

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        arguments = cast(dict[str, Any], args.args)
        self._invokes.append(Invoke(args.token, arguments))
        return dict(self._backend.invoke(args.token, arguments)), []

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        raise AssertionError("resources are answered by the recording monitor")


class _Monitor(pulumi_mocks.MockMonitor):
    def __init__(self, backend: Backend, preview: bool) -> None:
        self.invokes: list[Invoke] = []
        super().__init__(_Mocks(backend, self.invokes))
        self.nodes: list[Node] = []
        self.registered_outputs: dict[str, Mapping[str, Any]] = {}
        self._backend = backend
        self._preview = preview
        self._lock = threading.Lock()

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        # As the engine does: the stack's own type is no part of its children's URNs.
        return super().make_urn("" if "::pulumi:pulumi:Stack::" in parent else parent, type_, name)

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        # Reading resource references needs an event loop on this thread.
        ensure_event_loop()
        raw = cast(dict[str, Any], rpc.deserialize_properties(request.object, keep_unknowns=True))
        inputs = _reveal(raw)
        if request.custom:
            created = self._backend.create(Registration(urn, request.type, request.name, inputs))
        else:
            created = Created("", {})
        outputs = {**inputs, **created.outputs}
        node = Node(
            urn=urn,
            type=request.type,
            name=request.name,
            custom=bool(request.custom),
            parent=request.parent,
            inputs=cast(dict[str, Any], _mask(raw)),
            outputs=created.outputs,
            id=created.id,
            protect=bool(request.protect),
            dependencies=tuple(sorted(request.dependencies)),
            property_dependencies={
                key: tuple(sorted(value.urns)) for key, value in sorted(request.propertyDependencies.items())
            },
            deleted_with=request.deletedWith,
            provider=request.provider,
            aliases=tuple(json_format.MessageToJson(alias) for alias in request.aliases),
            ignore_changes=tuple(request.ignoreChanges),
            delete_before_replace=bool(request.deleteBeforeReplace),
            retain_on_delete=bool(request.retainOnDelete),
            secret_inputs=tuple(sorted(key for key, value in raw.items() if _holds_secret(value))),
        )
        with self._lock:
            self.nodes.append(node)
            self.resources[urn] = pulumi_mocks.MockMonitor.ResourceRegistration(urn, created.id, outputs)
        # A preview knows the inputs alone: ids and computed outputs are unknown, as under an engine.
        state = sync_await(rpc.serialize_properties(inputs if self._preview else outputs, {}))
        return resource_pb2.RegisterResourceResponse(urn=urn, id="" if self._preview else created.id, object=state)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        ensure_event_loop()
        raw = rpc.deserialize_properties(request.outputs, keep_unknowns=True)
        with self._lock:
            self.registered_outputs[request.urn] = cast(dict[str, Any], _mask(raw))
        return empty_pb2.Empty()


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and rpc._special_sig_key in value and "value" in value  # pyright: ignore


def _map(value: Any, secret: Callable[[Any], Any]) -> Any:
    """A copy with secrets replaced by what `secret` makes of them, and whole floats as int (the wire has no int)."""
    if _is_secret(value):
        return secret(value["value"])
    if isinstance(value, dict):
        return {key: _map(item, secret) for key, item in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_map(item, secret) for item in cast(list[Any], value)]
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _reveal(value: Any) -> Any:
    return _map(value, lambda hidden: _reveal(hidden))


def _mask(value: Any) -> Any:
    return _map(value, lambda _: SECRET)


def _holds_secret(value: Any) -> bool:
    if _is_secret(value):
        return True
    if isinstance(value, dict):
        return any(_holds_secret(item) for item in cast(dict[str, Any], value).values())
    return isinstance(value, list) and any(_holds_secret(item) for item in cast(list[Any], value))


def record(
    program: Callable[[], object],
    backend: Backend,
    *,
    stack: str = "test",
    config: Mapping[str, str] | None = None,
    preview: bool = False,
) -> Graph:
    """Run `program` as the body of a stack and return its graph.

    `config` maps full keys (`serveml:environment`) to values as Pulumi hands them to a program: strings, with JSON
    for objects.
    `preview=True` answers every resource without id and outputs, as an engine does before the first update.
    Exceptions of the program are raised unchanged; RegistrationFailed comes from the backend.
    """
    monitor = _Monitor(backend, preview)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # set_mocks makes a root stack of its own unless one is there; run_in_stack makes the real one.
    pulumi_settings.ROOT.set(cast(Any, monitor))
    pulumi_mocks.set_mocks(monitor.mocks, PROJECT, stack, preview, logging.getLogger("serveml.program"), monitor)
    pulumi_settings.ROOT.set(None)
    settings = cast(Any, pulumi_settings.SETTINGS)
    settings.rpc_manager.clear()
    settings.outputs.clear()
    pulumi.runtime.set_all_config(dict(config or {}), [])

    def body() -> None:
        program()

    with _collector_paused():
        try:
            loop.run_until_complete(run_in_stack(body))
        finally:
            loop.close()
            asyncio.set_event_loop(None)
    nodes = tuple(_with_outputs(node, monitor.registered_outputs) for node in monitor.nodes)
    exports = dict[str, Any]()
    for urn, outputs in monitor.registered_outputs.items():
        if "::pulumi:pulumi:Stack::" in urn:
            exports.update(outputs)
    return Graph(stack, nodes, tuple(monitor.invokes), exports)


@contextmanager
def _collector_paused() -> Generator[None]:
    """Half of a run's time went into the collector's walks over the providers' SDKs, and a run makes little garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _with_outputs(node: Node, registered: Mapping[str, Mapping[str, Any]]) -> Node:
    if node.custom or node.urn not in registered:
        return node
    return replace(node, registered_outputs=registered[node.urn])
