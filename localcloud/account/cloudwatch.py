"""Alarms and dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.account.clients import Clients, region_of
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import as_json, inputs, send
from localcloud.account.sts import account_id
from localcloud.recorder import Created, Registration


@creates("aws:cloudwatch/metricAlarm:MetricAlarm")
def metric_alarm(clients: Clients, r: Registration) -> Created:
    cloudwatch, name = clients.of("cloudwatch", r), physical_name(r)
    values = {**inputs(r, "name", "metricQueries"), "alarmName": name}
    if r.inputs.get("metricQueries"):
        values["metrics"] = [_query(query) for query in r.inputs["metricQueries"]]
    renamed = {"evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile"}
    send(cloudwatch, "put_metric_alarm", values, renamed)
    return Created(name, {"name": name, "arn": _arn(clients, r, f"alarm:{name}")})


def _query(query: Mapping[str, Any]) -> dict[str, Any]:
    """A term of metric arithmetic: AWS keeps the metric apart from how it is summed up."""
    if "metric" not in query:
        return dict(query)
    metric = dict(query["metric"])
    about = ("metricName", "namespace", "dimensions")
    statistic = {key: value for key, value in metric.items() if key not in about}
    named = {key: metric[key] for key in about if key in metric}
    rest = {key: value for key, value in query.items() if key != "metric"}
    return {**rest, "metricStat": {**statistic, "metric": named}}


@creates("aws:cloudwatch/compositeAlarm:CompositeAlarm")
def composite_alarm(clients: Clients, r: Registration) -> Created:
    name = physical_name(r, "alarmName")
    send(clients.of("cloudwatch", r), "put_composite_alarm", {**inputs(r), "alarmName": name})
    return Created(name, {"arn": _arn(clients, r, f"alarm:{name}")})


@creates("aws:cloudwatch/dashboard:Dashboard")
def dashboard(clients: Clients, r: Registration) -> Created:
    name = physical_name(r, "dashboardName")
    values = {"dashboardName": name, "dashboardBody": as_json(r.inputs["dashboardBody"])}
    send(clients.of("cloudwatch", r), "put_dashboard", values)
    arn = f"arn:aws:cloudwatch::{account_id(clients)}:dashboard/{name}"
    return Created(name, {"dashboardArn": arn})


def _arn(clients: Clients, r: Registration, path: str) -> str:
    return f"arn:aws:cloudwatch:{region_of(r)}:{account_id(clients)}:{path}"
