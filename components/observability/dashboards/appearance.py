"""How each kind of panel looks: its colours, lines and legend, in the words of Grafana's options for the kind.

Options and values are those of @grafana/schema 13.1.1, `raw/composable/*/panelcfg`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.observability.dashboards.panel import Kind, Panel

Json = dict[str, Any]

COLORS: dict[Kind, str] = {
    "timeseries": "palette-classic",
    "stat": "thresholds",
    "table": "thresholds",
    "heatmap": "thresholds",
    "bargauge": "thresholds",
}


def _lines(panel: Panel) -> Json:
    return {
        # A budget may be overspent; everything else begins at 0.
        "axisSoftMin": 0,
        "drawStyle": "line",
        "fillOpacity": 30 if panel.stacked else 5,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
        "thresholdsStyle": {"mode": "dashed" if panel.scale else "off"},
    }


FIELDS: dict[Kind, Callable[[Panel], Json]] = {
    "timeseries": _lines,
    "stat": lambda _: {},
    "table": lambda _: {"align": "auto"},
    "heatmap": lambda _: {"scaleDistribution": {"type": "linear"}},
    "bargauge": lambda _: {},
}

_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}

OPTIONS: dict[Kind, Callable[[Panel], Json]] = {
    "timeseries": lambda _: {
        "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": lambda panel: {
        "colorMode": "value" if panel.scale else "none",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "standard",
        "reduceOptions": _LAST,
        "showPercentChange": False,
        "textMode": "auto",
        "wideLayout": True,
    },
    "table": lambda _: {"cellHeight": "sm", "frameIndex": 0, "showHeader": True},
    "heatmap": lambda panel: {
        "calculate": False,
        "cellGap": 1,
        "cellValues": {"unit": "reqps"},
        "color": {
            "exponent": 0.5,
            "fill": "blue",
            "mode": "scheme",
            "reverse": True,
            "scale": "exponential",
            "scheme": "Blues",
            "steps": 64,
        },
        "exemplars": {"color": "orange"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
    },
    "bargauge": lambda _: {
        "displayMode": "gradient",
        "maxVizHeight": 300,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": _LAST,
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
    },
}
