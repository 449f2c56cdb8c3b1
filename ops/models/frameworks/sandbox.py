"""The conversion's process, from the side that starts it: what it is given, how long it may take, what is believed.

It keeps a model file from reaching credentials and the network by accident or by a plain attempt. It is no jail: the
process is the same user, who may read and write files, so a pickle of unknown origin is for a machine of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import msgspec

import ops
from ops.models.frameworks.job import CONVERTED_FILE, JOB_FILE, OUTCOME_FILE, Converted, Job, NotConverted, Outcome
from ops.models.frameworks.onnx_files import MAX_BYTES
from ops.models.frameworks.refusal import NotTaken

# All else stays behind, above all what AWS's libraries read: keys, profiles, roles and where to ask for them.
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "SYSTEMROOT")
_SET = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    # Each thread reserves address space, of which there is only so much.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "LOKY_MAX_CPU_COUNT": "1",
    "MALLOC_ARENA_MAX": "2",
}
_MAX_OUTCOME_BYTES = 1 << 20
_PROBE_SECONDS = 10


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A conversion that succeeded."""

    converted: Converted
    onnx: Path
    network_cut: bool
    """Whether the process was kept off the network, which not every system lets its users do."""


def run(job: Job, folder: Path) -> Ran:
    """Convert in a process of its own that writes to `folder`; raise NotTaken with what it said, or how it ended."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (OUTCOME_FILE, CONVERTED_FILE):
        (folder / name).unlink(missing_ok=True)
    (folder / JOB_FILE).write_bytes(msgspec.json.encode(job))
    cut = without_network()
    code = _wait(job, [*cut, sys.executable, "-P", "-m", "ops.models.frameworks.child", str(folder)], folder)
    outcome = _outcome(folder / OUTCOME_FILE, job, code)
    if isinstance(outcome, NotConverted):
        raise NotTaken(outcome.message)
    onnx = folder / CONVERTED_FILE
    if _plain_size(onnx) is None:
        raise NotTaken(f"the conversion of {job.title} left no model: convert it where it was trained")
    return Ran(converted=outcome, onnx=onnx, network_cut=bool(cut))


def _wait(job: Job, command: list[str], folder: Path) -> int:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        # Libraries print what they like there, values too.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(job.limits.seconds)
    except subprocess.TimeoutExpired:
        raise NotTaken(
            f"{job.title} was not converted within {job.limits.seconds} s: allow more time, or convert it where it "
            "was trained and publish the .onnx"
        ) from None
    finally:
        # What it started goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    here = str(Path(ops.__path__[0]).parent)
    # A home of its own: the user's holds their AWS profile, and the machine's metadata service holds a role.
    own = {"HOME": str(folder), "TMPDIR": str(folder), "PYTHONPATH": here, "AWS_EC2_METADATA_DISABLED": "true"}
    return kept | _SET | own


def without_network() -> list[str]:
    """The command that starts another without a network, or none where this user may not."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return []
    for options in (["-n"], ["-r", "-n"]):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            probe = [unshare, *options, "true"]
            if subprocess.run(probe, capture_output=True, timeout=_PROBE_SECONDS, check=False).returncode == 0:
                return [unshare, *options]
    return []


def _outcome(path: Path, job: Job, code: int) -> Outcome:
    size = _plain_size(path)
    if size is None or size > _MAX_OUTCOME_BYTES:
        ended = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        raise NotTaken(
            f"the conversion of {job.title} ended {ended} and left no outcome: it may have needed more than "
            f"{job.limits.memory_mib} MiB or {job.limits.seconds} s, or the file is damaged"
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=Outcome)
    except (msgspec.DecodeError, OSError) as error:
        raise NotTaken(f"the conversion of {job.title} left an outcome that is none: do not trust it") from error


def _plain_size(path: Path) -> int | None:
    """The size of a file that is no link to another, or None."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) and 0 < found.st_size <= MAX_BYTES else None
