"""Dashboards as Grafana reads them from files: JSON of schema 42, which Grafana 13.1 writes itself.

Fields and their values are those of the npm package @grafana/schema 13.1.1, which is generated from Grafana's own
definitions; how each kind of panel looks is left to `appearance`.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.observability.dashboards.appearance import COLORS, FIELDS, OPTIONS, Json
from components.observability.dashboards.panel import COLUMNS, Dashboard, Kind, Panel, Query, Row, Scale, Variable

SCHEMA_VERSION = 42
TAG = "serveml"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""What the reader chose as region: each has a Prometheus of its own."""
RUNBOOKS_VARIABLE = "runbooks"

_REFRESH = "30s"
_ROW_HEIGHT = 1
_HIDDEN = 2
_ALPHABETICAL = 1
_ON_TIME_RANGE_CHANGE = 2
_SHARED_CROSSHAIR = 1


def document(dashboard: Dashboard, runbooks: str) -> Json:
    """The whole file; `runbooks` is the address of the folder that links lead to."""
    return {
        "annotations": {"list": []},
        "description": dashboard.description,
        "editable": False,
        "graphTooltip": _SHARED_CROSSHAIR,
        "links": [_others()],
        "panels": _placed(dashboard.rows),
        "refresh": _REFRESH,
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG],
        "templating": {
            "list": [_region(), *(_chosen(variable) for variable in dashboard.variables), _constant(runbooks)]
        },
        "time": {"from": f"now-{dashboard.shown}", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": dashboard.uid,
    }


def letter(position: int) -> str:
    """What Grafana calls a panel's query by its place."""
    return chr(ord("A") + position)


def _others() -> Json:
    """Leads to the other dashboards, with the same region and time."""
    return {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "",
        "tooltip": "",
        "type": "dashboards",
    }


def _region() -> Json:
    return {
        "description": "Each region has its own Prometheus, and its data source has the region's name",
        "hide": 0,
        "includeAll": False,
        "label": "Region",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "type": "datasource",
    }


def _chosen(variable: Variable) -> Json:
    return {
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "hide": 0,
        "includeAll": True,
        "label": variable.label,
        "multi": True,
        "name": variable.name,
        "options": [],
        "query": {"query": variable.values, "refId": "StandardVariableQuery"},
        "refresh": _ON_TIME_RANGE_CHANGE,
        "regex": "",
        "sort": _ALPHABETICAL,
        "type": "query",
    }


def _constant(runbooks: str) -> Json:
    return {
        "hide": _HIDDEN,
        "name": RUNBOOKS_VARIABLE,
        "query": runbooks.rstrip("/"),
        "skipUrlSync": True,
        "type": "constant",
    }


def _placed(rows: Sequence[Row]) -> list[Json]:
    """Panels from left to right, in a new line where one does not fit, under the title of their row."""
    found: list[Json] = []
    top = 0
    for row in rows:
        found.append(_title(row.title, number=len(found) + 1, top=top))
        top += _ROW_HEIGHT
        left = height = 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            found.append(_panel(panel, number=len(found) + 1, place=place))
            left, height = left + panel.width, max(height, panel.height)
        top += height
    return found


def _title(text: str, *, number: int, top: int) -> Json:
    return {
        "collapsed": False,
        "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": _ROW_HEIGHT},
        "id": number,
        "panels": [],
        "title": text,
        "type": "row",
    }


def _panel(panel: Panel, *, number: int, place: Json) -> Json:
    defaults: Json = {"unit": panel.unit, "custom": FIELDS[panel.kind](panel), "color": {"mode": COLORS[panel.kind]}}
    if panel.scale is not None:
        defaults["thresholds"] = _thresholds(panel.scale)
    if panel.whole is not None:
        defaults |= {"min": 0, "max": panel.whole}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    return {
        "datasource": SOURCE,
        "description": panel.description,
        "fieldConfig": {"defaults": defaults, "overrides": _columns(panel)},
        "gridPos": place,
        "id": number,
        "links": [_runbook(page) for page in panel.runbooks],
        "options": OPTIONS[panel.kind](panel),
        "targets": [_target(query, panel.kind, place) for place, query in enumerate(panel.queries)],
        "title": panel.title,
        "type": panel.kind,
        **({"transformations": _one_table(panel.queries)} if panel.kind == "table" else {}),
    }


def _runbook(page: str) -> Json:
    return {
        "asDropdown": False,
        "icon": "",
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "targetBlank": True,
        "title": f"Runbook: {page.replace('-', ' ')}",
        "tooltip": "",
        "type": "link",
        "url": f"${{{RUNBOOKS_VARIABLE}}}/{page}.md",
    }


def _target(query: Query, kind: Kind, place: int) -> Json:
    at_once = kind in ("table", "bargauge")
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "format": {"table": "table", "heatmap": "heatmap"}.get(kind, "time_series"),
        "instant": at_once,
        "legendFormat": query.legend,
        "range": not at_once,
        "refId": letter(place),
    }


def _thresholds(scale: Scale) -> Json:
    steps: list[Json] = [{"color": scale.base, "value": None}]
    return {"mode": "absolute", "steps": [*steps, *({"color": s.color, "value": s.value} for s in scale.steps)]}


def _one_table(queries: Sequence[Query]) -> list[Json]:
    """Rows of all queries with the same labels become one; a query's column is called by its legend."""
    several = len(queries) > 1
    names = {f"Value #{letter(place)}" if several else "Value": query.legend for place, query in enumerate(queries)}
    return [
        *([{"id": "merge", "options": {}}] if several else []),
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}},
    ]


def _columns(panel: Panel) -> list[Json]:
    return [
        {
            "matcher": {"id": "byName", "options": query.legend},
            "properties": [{"id": "unit", "value": query.unit}],
        }
        for query in panel.queries
        if query.unit is not None
    ]
