"""Closed-loop load by wrk: as many requests as the connections carry, each sent when the one before is answered."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND = "wrk"
_RESULT = "RESULT "
_GRACE_SECONDS = 30


class WrkFailed(RuntimeError):
    """wrk is not there, or did not give a result; the message says what to do."""


@dataclass(frozen=True)
class Load:
    """What wrk measured."""

    requests: int
    seconds: float
    errors: int
    """Answers of 400 and above, and connections that failed, broke off or waited too long."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    most_ms: float

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds


def require() -> None:
    if shutil.which(COMMAND) is None:
        raise WrkFailed("wrk was not found: install it (Debian, Ubuntu: apt-get install wrk; macOS: brew install wrk)")


def script(path: str, headers: Mapping[str, str], bodies: Sequence[bytes]) -> str:
    """A Lua script that sends the bodies in turn and prints the result as one line of JSON."""
    fields = ", ".join(f"[{_quoted(name)}] = {_quoted(value)}" for name, value in headers.items())
    listed = ",\n".join(f"  {_quoted(body.decode())}" for body in bodies)
    return f"""\
local bodies = {{
{listed}
}}
local requests, turn = {{}}, 0
function init(args)
  for index, body in ipairs(bodies) do
    requests[index] = wrk.format("POST", {_quoted(path)}, {{{fields}}}, body)
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{_RESULT}{{"requests":%d,"seconds":%.6f,"errors":%d,"p50_ms":%.3f,"p95_ms":%.3f,"p99_ms":%.3f,"most_ms":%.3f}}',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
"""


def parse(output: str) -> Load:
    for line in output.splitlines():
        if line.startswith(_RESULT):
            return Load(**json.loads(line.removeprefix(_RESULT)))
    raise WrkFailed(f"wrk ended without a result: {output.strip()[-300:] or 'it wrote nothing'}")


def run(url: str, lua: Path, *, connections: int, seconds: int) -> Load:
    """One thread: it shares the cores with the server, and with more it would only take turns with itself."""
    command = [COMMAND, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(lua), url]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        raise WrkFailed(f"wrk did not end within {seconds + _GRACE_SECONDS} s") from None
    return parse(done.stdout + done.stderr)


def _quoted(text: str) -> str:
    """A Lua string literal: JSON's escapes of quotes, backslashes and line ends are Lua's too."""
    if not text.isascii() or any(ord(character) < 32 for character in text):
        raise ValueError(f"{text[:40]!r} cannot stand in a script: only printable ASCII is allowed")
    return json.dumps(text)
