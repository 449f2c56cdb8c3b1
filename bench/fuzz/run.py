"""Fuzzes one target in this process till the time is up or there is a finding: `python -m bench.fuzz.run` has no users
but `bench.fuzz`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, cast

MOST_BYTES = 4096
SLOW_SECONDS = 5
"""An input that takes longer is a finding: on the event loop, everybody waits for it."""
MOST_MEMORY_MIB = 2048


class _Fuzzer(Protocol):
    """What is used of atheris, which has no types."""

    def instrument_imports(self, include: Sequence[str]) -> AbstractContextManager[Any]: ...

    def Setup(self, arguments: Sequence[str], run: Callable[[bytes], None]) -> None: ...

    def Fuzz(self) -> None: ...


def main(name: str, seconds: int, corpus: Path) -> None:
    fuzzer = cast(_Fuzzer, importlib.import_module("atheris"))
    with fuzzer.instrument_imports(include=["contract", "serving"]):
        targets = importlib.import_module("bench.fuzz.targets")
    target = targets.TARGETS[name]
    folder, findings = corpus / name, corpus / f"findings-{name}-"
    folder.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(target.seeds):
        (folder / f"seed-{index}").write_bytes(seed)
    words = corpus / f"words-{name}"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in target.words))
    options: dict[str, object] = {
        "max_total_time": seconds,
        "max_len": MOST_BYTES,
        "timeout": SLOW_SECONDS,
        "rss_limit_mb": MOST_MEMORY_MIB,
        "dict": words,
        "artifact_prefix": findings,
        "print_final_stats": 1,
        "verbosity": 0,
    }
    fuzzer.Setup([sys.argv[0], *(f"-{option}={value}" for option, value in options.items()), str(folder)], target.run)
    fuzzer.Fuzz()


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
