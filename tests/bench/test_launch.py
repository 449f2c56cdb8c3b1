"""A measured server's life: it counts from its first right answer, and leaves nothing running."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bench.serving import launch, process_tree
from bench.serving.launch import Excluded, running
from bench.serving.servers import Server
from bench.serving.workload import Dialect, Oracle, instances, read_plain
from contract.objects import Version
from ops import demo_model
from ops.demo_model import DemoModel

# Answers with what it is given; first it starts a child in a session of its own, as some servers do.
SCRIPT = """
import http.server, os, pathlib, subprocess, sys
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
pathlib.Path(os.environ["HOME"], "child").write_text(str(child.pid))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = sys.argv[2].encode()
        self.send_response(int(sys.argv[1]))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(os.environ["BENCH_PORT"])), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def model() -> DemoModel:
    return demo_model.train(Version(1, 0, 0), iterations=5)


def server(*command: str) -> Server:
    return Server("made-up", Dialect("/predict", instances, read_plain), lambda _: [sys.executable, *command])


def right_answer(model: DemoModel) -> str:
    assert model.metadata.sample is not None
    outputs = model.metadata.sample.outputs
    return f'{{"label": [{outputs["label"][0]}], "probabilities": [{outputs["probabilities"][0]}]}}'


def test_a_server_with_the_right_answer_runs_and_is_ended_with_all_that_it_started(
    model: DemoModel, tmp_path: Path
) -> None:
    answering = server("-c", SCRIPT, "200", right_answer(model))
    with running(answering, tmp_path / "model.onnx", Oracle(model), model.holdout_rows[:1]) as started:
        child = int((started.folder / "child").read_text())
        assert 0 < started.seconds_to_first_answer < started.seconds_to_steady < launch.START_SECONDS
        assert child in process_tree.tree_of(started.pid, process_tree.processes())
        assert os.getsid(child) != os.getsid(started.pid)
    assert started.pid not in process_tree.processes()
    deadline = time.monotonic() + 5
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _runs(child)
    assert not started.folder.exists()


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        ("200", '{"label": [7], "probabilities": [[0.5, 0.5]]}', r"labels \[7\]"),
        ("200", '{"other": 1}', "cannot be read"),
        ("503", "loading", "answers 503: loading"),
    ],
)
def test_a_server_that_answers_wrongly_is_left_out_with_what_it_said(
    model: DemoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, answer: str, said: str
) -> None:
    monkeypatch.setattr(launch, "START_SECONDS", 1)
    with (
        pytest.raises(Excluded, match=said),
        running(server("-c", SCRIPT, status, answer), tmp_path / "m", Oracle(model), model.holdout_rows[:1]),
    ):
        pass


def test_a_server_is_steady_only_when_all_its_answers_are_right(
    model: DemoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def check(*_: object) -> None:
        asked.append(len(asked))
        if asked[-1] == 3:
            raise Excluded("it answers 503: a worker has no model yet")

    monkeypatch.setattr(launch, "check", check)
    with running(server("-c", SCRIPT, "200", ""), tmp_path / "m", Oracle(model), model.holdout_rows[:1]):
        assert len(asked) == 4 + launch.STEADY_ANSWERS


def test_a_server_that_ends_is_left_out_at_once_with_its_last_words(model: DemoModel, tmp_path: Path) -> None:
    ending = server("-c", "import sys; sys.exit('no such model')")
    with (
        pytest.raises(Excluded, match="ended with status 1: no such model"),
        running(ending, tmp_path / "m", Oracle(model), model.holdout_rows[:1]),
    ):
        pass


def _runs(pid: int) -> bool:
    """Not when it is ended and only waits for its parent to take notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
