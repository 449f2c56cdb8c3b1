"""A server's life in a measurement: started, asked until it answers, and ended with everything it started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from bench.serving import process_tree
from bench.serving.environments import ROOT
from bench.serving.servers import Server, Start
from bench.serving.workload import Oracle, Rows
from localcloud.moto_server import HOST, free_port

START_SECONDS = 60
STOP_SECONDS = 10
STEADY_ANSWERS = 20
"""Each on a connection of its own, so that with two workers the odds of never meeting one are a million to one."""
_ANSWER_SECONDS = 10
_LOOK_SECONDS = 0.005
LOG = "log.txt"
_INHERITED = ("PATH", "LANG", "TMPDIR")


class Excluded(RuntimeError):
    """The server did not start, or answers wrongly: it is left out, and the message says why."""


@dataclass(frozen=True)
class Running:
    """A server that gave the right answer."""

    server: Server
    pid: int
    port: int
    folder: Path
    seconds_to_first_answer: float
    seconds_to_steady: float
    """Until STEADY_ANSWERS in a row were right: some let in requests before all their workers have the model."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}{self.server.dialect.path}"


@contextmanager
def running(server: Server, model: Path, oracle: Oracle, rows: Rows) -> Generator[Running]:
    """Start the server, yield it once its answer on the rows is ONNX Runtime's own, and end it; raise Excluded."""
    with tempfile.TemporaryDirectory(prefix="serveml-bench-", ignore_cleanup_errors=True) as name:
        start = Start(free_port(), model, Path(name))
        log = start.folder / LOG
        began = time.monotonic()
        process = spawn(server, start)
        try:
            first, steady = wait_until_steady(process, lambda: check(server, start.port, oracle, rows), log)
            yield Running(server, process.pid, start.port, start.folder, first - began, steady - began)
        finally:
            end(process)


def spawn(server: Server, start: Start) -> subprocess.Popen[bytes]:
    """The server's process, in a session of its own; what it writes goes to LOG in the start's folder."""
    with (start.folder / LOG).open("wb") as output:
        return subprocess.Popen(
            list(server.command(start)),
            cwd=ROOT,
            env={key: os.environ[key] for key in _INHERITED if key in os.environ} | server.variables(start),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def check(server: Server, port: int, oracle: Oracle, rows: Rows) -> None:
    """Raise Excluded unless the server's answer on the rows is right, ConnectionError or TimeoutError without one."""
    connection = HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("POST", server.dialect.path, server.dialect.write(rows), dict(server.headers))
        answer = connection.getresponse()
        body = answer.read()
    except HTTPException as error:
        raise Excluded(f"its answer is not HTTP: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Excluded(f"it answers {answer.status}: {body[:200].decode(errors='replace')}")
    try:
        said = server.dialect.read(json.loads(body))
    except (ValueError, LookupError, TypeError) as error:
        raise Excluded(f"its answer cannot be read ({error!r}): {body[:200].decode(errors='replace')}") from error
    fault = oracle.fault(rows, said)
    if fault is not None:
        raise Excluded(fault)


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the process's group; then SIGKILL to what is left of it and of all that it started."""
    tree = _identities(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pid, started in tree.items():
            # A number is given out again only to a process with another start.
            stat = process_tree.processes().get(pid)
            if stat is not None and stat.started_ticks == started:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _identities(root: int) -> dict[int, int]:
    stats = process_tree.processes()
    return {pid: stats[pid].started_ticks for pid in process_tree.tree_of(root, stats)}


def wait_until_steady(process: subprocess.Popen[bytes], ask: Callable[[], None], log: Path) -> tuple[float, float]:
    """When the first right answer came, and the last of the first unbroken row of them; raise Excluded."""
    deadline = time.monotonic() + START_SECONDS
    last, first, row = "it did not listen", None, 0
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Excluded(f"it ended with status {process.returncode}: {_tail(log)}")
        try:
            ask()
        except OSError:
            row = 0
        except Excluded as error:
            # Some listen before their model is there.
            last, row = str(error), 0
        else:
            first, row = first or time.monotonic(), row + 1
            if row == STEADY_ANSWERS:
                return first, time.monotonic()
            continue
        time.sleep(_LOOK_SECONDS)
    raise Excluded(f"it gave no {STEADY_ANSWERS} right answers in a row within {START_SECONDS} s: {last}; {_tail(log)}")


def _tail(log: Path, lines: int = 5) -> str:
    return " | ".join(log.read_text(errors="replace").splitlines()[-lines:])[-600:] or "it wrote nothing"
