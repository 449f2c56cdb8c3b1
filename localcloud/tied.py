"""Ties a command to the process that starts it: when that ends, however it ends, the command is sent SIGTERM.

On Linux this file runs first, asks the kernel for the signal, and becomes the command. Elsewhere nothing ties the two.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# As a shell says that it could not run a command.
_NOT_RUN = 127


def tied(command: Sequence[str]) -> list[str]:
    """The command to start in the given one's place; the process keeps its id when it becomes the given one."""
    if sys.platform != "linux":
        return list(command)
    # Neither variables nor installed packages are to matter before the command itself, nor to be waited for: -I -S.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def become(command: Sequence[str], *, parent: int) -> None:
    """Ask for SIGTERM at the end of the parent, and run the command in this process.

    The signal outlasts exec, unless the program is set-user-ID or has capabilities: prctl(2), PR_SET_PDEATHSIG.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM)) != 0:
        raise OSError(ctypes.get_errno(), "the kernel does not tie a process to its parent")
    # No signal comes for a parent that ended before it was asked for.
    if os.getppid() != parent:
        raise ProcessLookupError("the process that started it is gone")
    # This interpreter ignores them, and what is ignored stays so after exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    try:
        become(sys.argv[2:], parent=int(sys.argv[1]))
    except OSError as error:
        print(f"{sys.argv[2]} was not run: {error.strerror or error}", file=sys.stderr)
        sys.exit(_NOT_RUN)
