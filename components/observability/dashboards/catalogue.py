"""The dashboards together, as the files that Grafana is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from components.observability.dashboards.api_overview import api_overview
from components.observability.dashboards.document import document
from components.observability.dashboards.infrastructure import infrastructure
from components.observability.dashboards.ml_metrics import ml_metrics
from components.observability.dashboards.panel import Dashboard, Wanted
from components.observability.dashboards.slo import slo
from components.observability.rules.limits import Limits
from components.observability.rules.rule import RUNBOOKS

FOLDER = Path(__file__).parent
"""Where the files lie in the repository."""

DASHBOARDS: Mapping[str, Callable[[Wanted], Dashboard]] = {
    "api-overview": api_overview,
    "infrastructure": infrastructure,
    "ml-metrics": ml_metrics,
    "slo": slo,
}
"""By the name of the file, without its ending."""

EXAMPLE = Wanted(limits=Limits(replicas_min=3), runbooks=RUNBOOKS)
"""What the files in the repository are written for; in a cluster the stack's own figures stand there."""


def files(wanted: Wanted) -> dict[str, str]:
    """Content by the file's name. The same figures give the same bytes."""
    return {
        f"{name}.json": json.dumps(document(make(wanted), wanted.runbooks), indent=2, ensure_ascii=False) + "\n"
        for name, make in DASHBOARDS.items()
    }
