"""`python -m serving`: serves until SIGTERM and exits 0 after the drain, or 2 when it cannot start."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile

from serving import METRICS_DIRECTORY, log, settings
from serving.settings import InvalidSettings

CANNOT_START = 2


def main() -> int:
    try:
        chosen = settings.load(os.environ)
    except InvalidSettings as error:
        print(error, file=sys.stderr)
        return CANNOT_START
    log.configure(chosen.log_level, chosen.pod_name)
    if chosen.workers > 1:
        # prometheus_client decides as it is imported whether its values are shared, so this comes before the server.
        os.environ[METRICS_DIRECTORY] = tempfile.mkdtemp(prefix="serveml-metrics-")
    supervisor = importlib.import_module("serving.supervisor")
    try:
        return int(supervisor.serve(chosen))
    except OSError as error:
        print(f"cannot listen on {chosen.host}: {error}", file=sys.stderr)
        return CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
