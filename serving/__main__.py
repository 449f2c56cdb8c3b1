"""`python -m serving`: serves until SIGTERM and exits 0 after the drain, or 2 when it cannot start."""

from __future__ import annotations

import asyncio
import os
import sys

import uvloop

from serving import log, server, settings
from serving.settings import InvalidSettings

CANNOT_START = 2


def main() -> int:
    try:
        chosen = settings.load(os.environ)
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return CANNOT_START
    log.configure(chosen.log_level, chosen.pod_name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(server.run(chosen))
        except OSError as error:
            print(f"cannot listen on {chosen.host}: {error}", file=sys.stderr)
            return CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(main())
