"""A virtual environment of its own for each server that is not ours, from its locked requirements."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "bench" / "requirements"
_ENVIRONMENTS = ROOT / ".local" / "bench"
_INSTALLED = "installed.txt"
_INSTALL_SECONDS = 600


class NotInstalled(RuntimeError):
    """The environment could not be made; the message says why."""


def lock_of(name: str) -> Path:
    return REQUIREMENTS / f"{name}.txt"


def prepare(name: str) -> Path:
    """The folder of the environment's programs; made anew when its lock is another than the one installed."""
    folder, lock = _ENVIRONMENTS / name, lock_of(name)
    installed = folder / _INSTALLED
    if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
        uv = shutil.which("uv")
        if uv is None:
            raise NotInstalled(
                "uv was not found: install it (https://docs.astral.sh/uv/), or measure --servers floor,ours"
            )
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        python = str(folder / "bin" / "python")
        _run([uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", str(lock)])
        installed.write_bytes(lock.read_bytes())
    return folder / "bin"


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{' '.join(command[:3])} did not end within {_INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        raise NotInstalled(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")
