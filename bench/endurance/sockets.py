"""Which process holds which TCP connection, as Linux tells it in /proc (proc(5)): IPv4 alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_ESTABLISHED, _LISTEN = 0x01, 0x0A
NOT_ACCEPTED = 0
"""The inode of a connection that is made but waits for its process to accept it."""


class Socket(NamedTuple):
    local_port: int
    remote_port: int
    state: int
    inode: int


def parse(text: str) -> list[Socket]:
    """Of /proc/net/tcp."""
    found: list[Socket] = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
        found.append(Socket(local, remote, int(fields[3], 16), int(fields[9])))
    return found


def accepted(port: int) -> dict[int, int]:
    """The server's side of the connections to a port: the inode of each, by the client's port."""
    return {
        found.remote_port: found.inode for found in _all() if (found.local_port, found.state) == (port, _ESTABLISHED)
    }


def listens(pid: int, port: int) -> bool:
    """Whether the process listens on the port itself: with several workers, each has a listener of its own."""
    held = inodes(pid)
    return any((found.local_port, found.state) == (port, _LISTEN) and found.inode in held for found in _all())


def inodes(pid: int) -> set[int]:
    """Of the sockets that a process holds; empty when it is gone."""
    found: set[int] = set()
    try:
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(int(target[len("socket:[") : -1]))
    except OSError:
        return set()
    return found


def _all() -> list[Socket]:
    return parse((_PROC / "net/tcp").read_text())
