"""The conversion's process: what a pickle can do in it, what it cannot reach, and what is believed of it."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from contract.metadata import render
from contract.objects import Version
from ops.models.convert import Limits, NotTaken, Prepared, prepare
from ops.models.frameworks import sandbox
from ops.models.frameworks.job import RowsFrom
from tests.lifecycle.convert_models import BINARY, NAMES, ROWS, Exec, pickled

WHEN = datetime(2026, 1, 31, 12, tzinfo=UTC)


def take(path: Path, work: Path, **given: Any) -> Prepared:
    return prepare(path, work, name="m", version=Version(1, 0, 0), created_at=WHEN, **given)


def refused(path: Path, work: Path, **given: Any) -> str:
    with pytest.raises(NotTaken) as caught:
        take(path, work, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def doing(code: str, folder: Path) -> Path:
    return pickled(Exec(code), folder / "m.pkl")


def is_running(pid: int) -> bool:
    try:
        # A process that ended and was not waited for has no command line any more.
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_a_model_is_converted_with_its_sample_and_twice_to_the_same_bytes(tmp_path: Path) -> None:
    # Its converter numbers the names inside by what was converted before.
    path = pickled(KNeighborsClassifier().fit(ROWS, BINARY), tmp_path / "m.joblib")
    (tmp_path / "rows.csv").write_text(",".join(NAMES) + "\n" + "\n".join(",".join(map(str, row)) for row in ROWS[:30]))
    given: dict[str, Any] = {"sample": tmp_path / "rows.csv", "feature_names": NAMES, "trust_pickle": True}
    one, two = take(path, tmp_path / "one", **given), take(path, tmp_path / "two", **given)
    assert one.onnx.read_bytes() == two.onnx.read_bytes()
    assert render(one.metadata) == render(two.metadata)
    assert one.report.comparison is not None
    assert (one.report.converted, one.report.rows, one.report.comparison.rows) == (True, 30, 30)
    assert one.report.comparison.rows_from is one.report.sample is RowsFrom.SAMPLE
    assert one.metadata.feature_names == NAMES
    assert one.metadata.sample is not None
    assert one.metadata.sample.outputs["label"] == BINARY[:16].tolist()


def test_a_pickle_is_not_opened_unless_it_is_trusted(tmp_path: Path) -> None:
    path = doing(f"import os; os.system('touch {tmp_path / 'ran'}')", tmp_path)
    assert "--trust-pickle" in refused(path, tmp_path / "work")
    assert not (tmp_path / "ran").exists()
    assert "holds a builtins.NoneType" in refused(path, tmp_path / "work", trust_pickle=True)
    assert (tmp_path / "ran").exists()


def test_a_pickle_sees_nothing_of_the_users_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "SERVEML_PLANTED"):
        monkeypatch.setenv(name, "planted-4711")
    seen = tmp_path / "seen"
    code = (
        f"import os, pathlib; pathlib.Path({str(seen)!r}).write_text(repr(dict(os.environ)) + str(pathlib.Path.home()))"
    )
    refused(doing(code, tmp_path), tmp_path / "work", trust_pickle=True)
    assert "planted-4711" not in seen.read_text()
    assert "AWS_SECRET" not in seen.read_text()
    # Where ~/.aws would be looked for.
    assert seen.read_text().endswith(str(tmp_path / "work" / "conversion"))


def test_a_pickle_does_not_reach_the_network(tmp_path: Path) -> None:
    if not sandbox.without_network():
        pytest.skip("this system does not let this user make a namespace of the network")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        assert "no pickle that opens here (OSError)" in refused(
            doing(code, tmp_path), tmp_path / "work", trust_pickle=True
        )
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_report_says_when_the_network_could_not_be_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pickled(LogisticRegression().fit(ROWS, BINARY), tmp_path / "m.pkl")
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert take(path, tmp_path / "work", trust_pickle=True).report.network_cut is False


def test_a_conversion_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = (
        "import subprocess, pathlib, time\n"
        f"pathlib.Path({str(pid)!r}).write_text(str(subprocess.Popen(['sleep', '120']).pid))\n"
        "time.sleep(120)"
    )
    said = refused(doing(code, tmp_path), tmp_path / "work", trust_pickle=True, limits=Limits(seconds=8))
    assert "not converted within 8 s" in said
    assert not is_running(int(pid.read_text()))


def test_a_conversion_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = doing("bytearray(8 << 30)", tmp_path)
    said = refused(path, tmp_path / "work", trust_pickle=True, limits=Limits(memory_mib=4096))
    assert "more memory than 4096 MiB" in said


def test_a_conversion_that_dies_is_refused_with_how_it_ended(tmp_path: Path) -> None:
    path = doing("import os; os.kill(os.getpid(), 11)", tmp_path)
    assert "ended by signal SIGSEGV and left no outcome" in refused(path, tmp_path / "work", trust_pickle=True)


FORGED = (
    '{"outcome":"converted","framework":"f","feature_names":null,"notes":[],"comparison":'
    '{"rows":1,"rows_from":"sample","outputs":["y"],"largest_difference":0,"undecided":0}}'
)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (f"open('outcome.json', 'w').write({FORGED!r})", "left no model"),
        (
            f"open('outcome.json', 'w').write({FORGED!r}); os.symlink('/etc/hostname', 'converted.onnx')",
            "left no model",
        ),
        (f"open('outcome.json', 'w').write({FORGED!r}); open('converted.onnx', 'w').write('x')", "is no ONNX model"),
        ("open('outcome.json', 'w').write('[]')", "left an outcome that is none"),
        ("open('outcome.json', 'w').write('x' * 2000000)", "left no outcome"),
        ("os.symlink('/etc/hostname', 'outcome.json')", "left no outcome"),
    ],
)
def test_only_a_model_and_a_report_are_believed_of_it(tmp_path: Path, code: str, said: str) -> None:
    path = doing(f"import os; {code}; os._exit(0)", tmp_path)
    assert said in refused(path, tmp_path / "work", trust_pickle=True)


def test_a_faulty_sample_is_refused_by_its_place(tmp_path: Path) -> None:
    path = pickled(LogisticRegression().fit(ROWS, BINARY), tmp_path / "m.pkl")
    (tmp_path / "rows.csv").write_text("1,2,3,4\n1,private,3,4\n")
    said = refused(path, tmp_path / "work", trust_pickle=True, sample=tmp_path / "rows.csv")
    assert "row 2, column 2 of rows.csv" in said
    assert "private" not in said


def test_a_framework_that_cannot_be_is_refused_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "run", lambda *_: pytest.fail("started"))
    (tmp_path / "m.txt").write_text("tree")
    assert "is not of xgboost" in refused(tmp_path / "m.txt", tmp_path / "work", framework="xgboost")
    assert "none of scikit-learn, lightgbm, xgboost" in refused(
        tmp_path / "m.txt", tmp_path / "work", framework="spark"
    )


def test_what_lay_in_the_work_folder_before_is_not_taken_for_the_result(tmp_path: Path) -> None:
    good = pickled(LogisticRegression().fit(ROWS, BINARY), tmp_path / "good.pkl")
    take(good, tmp_path / "work", trust_pickle=True)
    path = doing("import os; os._exit(3)", tmp_path)
    assert "ended with code 3 and left no outcome" in refused(path, tmp_path / "work", trust_pickle=True)
