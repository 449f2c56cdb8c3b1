"""The platform on this machine, its AWS account in a moto server: what the commands of `serveml local` do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

import msgspec
import pulumi
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from localcloud import prometheus
from localcloud.moto_server import MotoServer, ServerFailed
from localcloud.pod import PodFailed
from localcloud.prometheus import PrometheusFailed
from localcloud.recorder import RegistrationFailed
from localcloud.world import LocalWorld, local_world
from ops import demo as demonstration
from ops import demo_canary, platform
from ops.models.publish import PublishRefused
from ops.platform import Outputs

console, errors = Console(), Console(stderr=True)

_FAILURES = (
    ServerFailed,
    RegistrationFailed,
    PodFailed,
    PublishRefused,
    pulumi.RunError,
    demonstration.CallRefused,
    demonstration.Mismatch,
    demo_canary.Unexpected,
    PrometheusFailed,
)


def demo(*, keep: bool, as_json: bool, canaries: bool) -> None:
    """Provision the local stack, publish a model, serve it, and compare its predictions with onnxruntime's own."""
    with _failures_shown(), applied_world() as world:
        if canaries and not prometheus.is_there():
            errors.print(f"without canaries: {prometheus.ABSENT}", style="yellow", highlight=False)
            canaries = False
        wait = _wait_for_interrupt if keep else None
        result = demonstration.serve_and_compare(world, errors, wait=wait, canaries=canaries)
        if as_json:
            print(result.as_json())
        else:
            demonstration.show(result, console)


def up() -> None:
    """Leave the stack running, and its outputs where the other commands look for them."""
    with _failures_shown(), applied_world() as world:
        for name, value in world.environment().items():
            console.print(f"export {name}={value}", highlight=False)
        kept = platform.keep(platform.LOCAL, outputs(world))
        try:
            _wait_for_interrupt()
        finally:
            kept.unlink(missing_ok=True)


def moto(port: int) -> None:
    """Run an empty account."""
    with _failures_shown(), MotoServer(port) as server:
        console.print(f"an empty AWS account answers on {server.endpoint}", highlight=False)
        _wait_for_interrupt()


def outputs(world: LocalWorld) -> Outputs:
    """What the stack's outputs tell the other commands."""
    exports = {name: value for name, value in world.graph.exports.items() if name in Outputs.__struct_fields__}
    return msgspec.convert({**exports, "endpoint": world.endpoint}, Outputs)


@contextmanager
def applied_world() -> Generator[LocalWorld]:
    """The local stack, with a line of progress while it is applied."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("starting an AWS account on this machine")
        lock, made = threading.Lock(), 0

        def count(_: object) -> None:
            nonlocal made
            with lock:
                made += 1
                progress.update(task, description=f"applying the local stack: {made} resources")

        world = local_world(on_created=count)
        applied = world.__enter__()
    try:
        yield applied
    finally:
        world.__exit__(None, None, None)


@contextmanager
def _failures_shown() -> Generator[None]:
    try:
        yield
    except _FAILURES as failure:
        _fail(str(failure))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _fail(message: str) -> NoReturn:
    errors.print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(1)


def _wait_for_interrupt() -> None:
    errors.print("running; Ctrl-C takes it all down")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
