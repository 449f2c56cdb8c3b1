"""Puts a controller together for a platform: its table, its Prometheus, and the ways to people."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from contract.deployment import DEFAULT_TENANT, Change, Deployment
from ops.canary.actions import Action
from ops.canary.byhand import utc_now
from ops.canary.controller import Controller, Look
from ops.canary.measurements import Measurements
from ops.canary.measuring import CanaryFigures
from ops.canary.prometheus import Prometheus
from ops.notices import Delivery, Notice, Notifier, Outcome, Said, Severity, SlackWebhook, Topic
from ops.platform import Platform
from ops.rollout.lease import Leases
from ops.rollout.records import Records

ENV_PROMETHEUS = "SERVEML_PROMETHEUS"


def records(platform: Platform) -> Records:
    return Records(platform.dynamodb, platform.outputs.deployments_table)


def measurements(address: str, *, ca_file: Path | None = None, token_file: Path | None = None) -> Measurements:
    """Raise PrometheusRefused for an address or files that cannot be used."""
    return Measurements(Prometheus(address, ca_file=ca_file, token_file=token_file))


def figures(address: str, *, ca_file: Path | None = None, token_file: Path | None = None) -> CanaryFigures:
    """Raise PrometheusRefused for an address or files that cannot be used."""
    return CanaryFigures(measurements(address, ca_file=ca_file, token_file=token_file))


def controller(
    platform: Platform,
    measure: CanaryFigures,
    *,
    by: str,
    slack_file: Path | None = None,
    progress: Callable[[Look], object],
    undelivered: Callable[[str], object],
) -> Controller:
    """Raise BadWebhook."""
    notifier = notifier_for(platform, slack_file)
    table = platform.outputs.deployments_table

    def notify(record: Deployment, change: Change) -> None:
        tell(notifier, record, change, undelivered)

    return Controller(
        records(platform),
        Leases(platform.dynamodb, table, DEFAULT_TENANT),
        measure,
        notify,
        by=by,
        clock=utc_now,
        wait=time.sleep,
        progress=progress,
    )


def notifier_for(platform: Platform, slack_file: Path | None) -> Notifier:
    """To the platform's topic, where it has one, and to Slack, where a webhook is named."""
    outputs = platform.outputs
    slack = SlackWebhook.load(slack_file)
    topic = Topic(cast(Any, platform.sns), outputs.alarm_topic) if outputs.alarm_topic else None
    senders = [sender for sender in (topic, slack) if sender is not None]
    return Notifier(senders, Said(platform.dynamodb, outputs.deployments_table, DEFAULT_TENANT))


def tell(notifier: Notifier, record: Deployment, change: Change, undelivered: Callable[[str], object]) -> None:
    """How a canary ended; `undelivered` is told of each way that failed."""
    for delivery in notifier.notify(notice_of(record.deployment_id, change)):
        if delivery.outcome is Outcome.FAILED:
            undelivered(_failed(delivery))


def notice_of(name: str, change: Change) -> Notice:
    """A second controller that tells the same ending names the same revision, and so does not say it twice."""
    passed = change.action == Action.CANARY_PASSED
    said = f"{name} serves {change.stable}" if passed else f"{name} is back on {change.stable}"
    return Notice(
        severity=Severity.INFO if passed else Severity.WARNING,
        summary=f"{said}: {change.reason}",
        deployment=name,
        key=f"{name}#{change.revision}",
        details={"action": change.action, "by": change.by, "revision": str(change.revision)},
    )


def _failed(delivery: Delivery) -> str:
    return f"the notice by {delivery.sender} was not delivered: {delivery.reason}"
