"""`python -m serving`: serves until SIGTERM and exits 0 after the drain, or 2 when it cannot start."""

from __future__ import annotations

import os
import sys

from serving import log, settings, supervisor
from serving.reader import InvalidSettings

CANNOT_START = 2


def main() -> int:
    try:
        chosen = settings.load(os.environ)
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return CANNOT_START
    log.configure(chosen.log_level, chosen.pod_name)
    try:
        return supervisor.serve(chosen)
    except OSError as error:
        print(f"cannot listen on {chosen.host}: {error}", file=sys.stderr)
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
