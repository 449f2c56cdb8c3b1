"""Budgets and whom they notify."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.account.clients import Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.account.sts import account_id
from localcloud.recorder import Created, Registration


@creates("aws:budgets/budget:Budget")
def budget(clients: Clients, r: Registration) -> Created:
    name, account = physical_name(r), str(r.inputs.get("accountId") or account_id(clients))
    apart = ("tags", "notifications", "limitAmount", "limitUnit", "costFilters", "timePeriodStart", "timePeriodEnd")
    described: dict[str, Any] = {**inputs(r, *apart, "name", "accountId"), "budgetName": name}
    if "limitAmount" in r.inputs:
        described["budgetLimit"] = {"amount": r.inputs["limitAmount"], "unit": r.inputs["limitUnit"]}
    if r.inputs.get("costFilters"):
        described["costFilters"] = {item["name"]: item["values"] for item in r.inputs["costFilters"]}
    period = {"start": _moment(r.inputs.get("timePeriodStart")), "end": _moment(r.inputs.get("timePeriodEnd"))}
    if any(period.values()):
        described["timePeriod"] = period
    values = {
        "accountId": account,
        "budget": described,
        "notificationsWithSubscribers": [_notification(item) for item in r.inputs.get("notifications", [])],
    }
    if r.inputs.get("tags"):
        values["resourceTags"] = r.inputs["tags"]
    send(clients.of("budgets", r), "create_budget", values)
    return Created(f"{account}:{name}", {"name": name, "arn": f"arn:aws:budgets::{account}:budget/{name}"})


def _moment(text: str | None) -> str | None:
    """The provider writes `2026-01-01_00:00`, AWS takes ISO 8601."""
    return text.replace("_", "T") if text else None


def _notification(given: Mapping[str, Any]) -> dict[str, Any]:
    channels = {"EMAIL": "subscriberEmailAddresses", "SNS": "subscriberSnsTopicArns"}
    notification = {key: value for key, value in given.items() if key not in channels.values()}
    subscribers = [
        {"subscriptionType": kind, "address": address}
        for kind, key in channels.items()
        for address in given.get(key, [])
    ]
    return {"notification": notification, "subscribers": subscribers}
