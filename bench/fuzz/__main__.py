"""Fuzz every reader of untrusted bytes, guided by coverage, one after the other.

    pip install atheris h11
    python -m bench.fuzz --seconds 300
    python -m bench.fuzz --seconds 60 --target connection --target rows

Inputs that reached new code are kept in .local/fuzz and are where the next run begins. A finding is written there too,
with its traceback on the terminal, and ends the run of that target; the exit code then is 1.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

from bench.fuzz.targets import TARGETS

CORPUS = Path(".local/fuzz")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=int, default=300, help="for each target; default %(default)s")
    parser.add_argument(
        "--target", action="append", choices=[*TARGETS], help="may be given more than once; default all"
    )
    arguments = parser.parse_args()
    if arguments.seconds < 1:
        parser.error(f"--seconds is {arguments.seconds}: give 1 or more")
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed here: pip install atheris")
    failed = [name for name in arguments.target or TARGETS if not _fuzz(name, arguments.seconds)]
    print(f"findings in {', '.join(failed)}: see {CORPUS}" if failed else "no findings")
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> bool:
    """Whether the target stood it."""
    print(f"{name}, {seconds} s", flush=True)
    # A process of its own: the fuzzer ends the one that it runs in.
    return subprocess.run([sys.executable, "-m", "bench.fuzz.run", name, str(seconds), str(CORPUS)]).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
