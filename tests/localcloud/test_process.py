"""A server in a child process is waited for, is ended in order, and does not outlive the process that started it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud import process, tied
from localcloud.moto_server import HOST, free_port
from localcloud.program import ROOT

PATIENCE_SECONDS = 20.0

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")

# Starts a server of that folder on that port, and says on standard output which process it is once it answers.
STARTER = """
import sys
from pathlib import Path
from localcloud.process import start, wait_until_answers

port, folder = sys.argv[1:]
child = start([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", port], folder=Path(folder))
wait_until_answers(f"http://127.0.0.1:{port}/", child, seconds=20)
print(child.pid, flush=True)
sys.stdin.read()
"""
IDLE = "import signal; signal.pause()"


@contextmanager
def started(command: Sequence[str], folder: Path) -> Generator[subprocess.Popen[bytes]]:
    child = process.start(command, folder=folder, log=folder / "log")
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def has_ended(pidfd: int) -> bool:
    """Wait for the end of a process, which need not be a child of this one."""
    return bool(select.select([pidfd], [], [], PATIENCE_SECONDS)[0])


@on_linux
def test_a_server_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [*python(STARTER), str(free_port()), str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with starter:
        assert starter.stdout is not None
        server = os.pidfd_open(int(starter.stdout.readline()))
        try:
            starter.kill()
            assert has_ended(server)
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(server, signal.SIGKILL)
            os.close(server)


@on_linux
def test_a_command_whose_starter_is_gone_already_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    *interpreter, _, command, argument = tied.tied(["touch", str(made)])
    stranger = str(os.getppid())
    result = subprocess.run([*interpreter, stranger, command, argument], capture_output=True, text=True, timeout=20)
    assert (result.returncode, result.stdout) == (127, "")
    assert result.stderr == "touch was not run: the process that started it is gone\n"
    assert not made.exists()


@on_linux
def test_a_command_does_not_inherit_which_signals_an_interpreter_ignores(tmp_path: Path) -> None:
    with started(["grep", "SigIgn", "/proc/self/status"], tmp_path) as child:
        assert child.wait(PATIENCE_SECONDS) == 0
    _, ignored = (tmp_path / "log").read_text().split()
    # The interpreter ignores these two; whoever started the tests may have had others ignored, as nohup does.
    of_an_interpreter = sum(1 << (number - 1) for number in (signal.SIGPIPE, signal.SIGXFSZ))
    assert int(ignored, base=16) & of_an_interpreter == 0


@on_linux
def test_a_command_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with started(["no-such-server"], tmp_path) as child:
        assert child.wait(PATIENCE_SECONDS) == 127
    assert process.last_lines(tmp_path / "log") == "no-such-server was not run: No such file or directory"


def test_the_variables_and_the_folder_are_those_that_were_given(tmp_path: Path) -> None:
    program = "import os; print(os.getcwd(), sorted(name for name in os.environ if name.startswith('SERVEML')))"
    log = tmp_path / "log"
    child = process.start(python(program), variables={"SERVEML_ONLY": "1"}, folder=tmp_path, log=log)
    assert child.wait(PATIENCE_SECONDS) == 0
    assert process.last_lines(log) == f"{tmp_path} ['SERVEML_ONLY']"


def test_a_server_outside_the_main_thread_is_refused_since_it_would_end_with_its_thread() -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="from the main thread"):
        pool.submit(process.start, ["true"]).result()


def test_a_server_that_ends_before_it_answers_is_told_with_its_status(tmp_path: Path) -> None:
    with (
        started(python("import sys; print('no port'); sys.exit(3)"), tmp_path) as child,
        pytest.raises(process.Ended, match=r"^ended with status 3$"),
    ):
        process.wait_until_answers(f"http://{HOST}:{free_port()}/", child, seconds=PATIENCE_SECONDS)
    assert process.last_lines(tmp_path / "log") == "no port"


def test_a_server_that_does_not_answer_is_given_up_after_the_time_it_was_given(tmp_path: Path) -> None:
    with (
        started(python(IDLE), tmp_path) as child,
        pytest.raises(process.NotReady, match=r"^was not ready within 0 s$"),
    ):
        process.wait_until_answers(f"http://{HOST}:{free_port()}/", child, seconds=0)


def test_a_server_that_does_not_heed_sigterm_is_killed(tmp_path: Path) -> None:
    port = free_port()
    ready = f"import http.server; s = http.server.HTTPServer(({HOST!r}, {port}), http.server.SimpleHTTPRequestHandler)"
    program = f"{ready}; import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); s.serve_forever()"
    with started(python(program), tmp_path) as child:
        process.wait_until_answers(f"http://{HOST}:{port}/", child, seconds=PATIENCE_SECONDS)
        process.end(child, seconds=0.1)
        assert child.returncode == -signal.SIGKILL


def test_a_server_that_heeds_sigterm_ends_by_it(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", HOST, str(port)]
    with started(command, tmp_path) as child:
        process.wait_until_answers(f"http://{HOST}:{port}/", child, seconds=PATIENCE_SECONDS)
        process.end(child, seconds=PATIENCE_SECONDS)
        assert child.returncode == -signal.SIGTERM


def test_the_last_lines_are_as_many_as_were_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(9)))
    assert process.last_lines(log, 2) == "line 7\nline 8"
