"""A server in a child process: started, awaited until it answers, and ended in order, or with whoever started it.

What it serves, and how its failures are told, is its own module's business.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcloud.tied import tied

# Time between looks at a server that is starting.
_LOOK_SECONDS = 0.05
_ANSWER_SECONDS = 5.0


class NotReady(Exception):
    """The server does not answer; the message says what it did instead."""


class Ended(NotReady):
    """Its process ended before it answered."""


def start(
    command: Sequence[str],
    *,
    variables: Mapping[str, str] | None = None,
    folder: Path | None = None,
    log: Path | None = None,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own: a terminal's Ctrl-C does not reach it, so it is ended in order.

    Its output goes to the log, or nowhere; variables and folder are this process's own unless they are given.
    Raises RuntimeError outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        # prctl(2): the end of the thread that forked counts as the parent's end.
        raise RuntimeError(f"start {command[0]} from the main thread: it would end with the thread that started it")
    with (log or Path(os.devnull)).open("wb") as output:
        return subprocess.Popen(
            tied(command),
            cwd=folder,
            env=variables,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_answers(url: str, process: subprocess.Popen[bytes], *, seconds: float) -> None:
    """Return once the address answers 200; raise Ended as soon as the process has ended, NotReady after so long."""
    deadline = time.monotonic() + seconds
    while not answers(url):
        if process.poll() is not None:
            raise Ended(f"ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise NotReady(f"was not ready within {seconds:.0f} s")
        time.sleep(_LOOK_SECONDS)


def answers(url: str) -> bool:
    """Whether a GET of the address is answered 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def end(process: subprocess.Popen[bytes], *, seconds: float) -> None:
    """SIGTERM, and SIGKILL for a process that is still there after so long; returns when it is gone."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_lines(log: Path, count: int = 5) -> str:
    """The end of what a process wrote."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
