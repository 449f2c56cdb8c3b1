"""Grafana's dashboards, made from typed panels; the files beside this are what `python -m` of this package writes."""

from components.observability.dashboards.catalogue import DASHBOARDS, files
from components.observability.dashboards.panel import Wanted

__all__ = ["DASHBOARDS", "Wanted", "files"]
