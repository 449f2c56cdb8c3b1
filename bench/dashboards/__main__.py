"""Runs a small world for some twenty minutes and draws what the dashboards show of it.

    python -m bench.dashboards

Writes `docs/images/dashboard-<name>.png`. It needs Prometheus on the path, and sends requests to this machine alone.
"""

from __future__ import annotations

import sys

from bench.dashboards.drawing import draw
from bench.dashboards.story import CALM, play
from bench.dashboards.world import world
from bench.serving.environments import ROOT
from components.observability.dashboards.catalogue import DASHBOARDS, EXAMPLE
from localcloud import prometheus

PICTURES = ROOT / "docs" / "images"
SCRAPE_SECONDS = 5


def main() -> int:
    if not prometheus.is_there():
        print(prometheus.ABSENT, file=sys.stderr)
        return 1
    boards = {name: make(EXAMPLE) for name, make in DASHBOARDS.items()}
    with world(CALM, pods=EXAMPLE.limits.replicas_min, every_seconds=SCRAPE_SECONDS) as made:
        seen = play(made, boards, lambda said: print(said, file=sys.stderr, flush=True))
    PICTURES.mkdir(exist_ok=True)
    for name, board in boards.items():
        path = PICTURES / f"dashboard-{name}.png"
        draw(board, seen.over[name], seen.at_the_end[name], seen.window, path)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
