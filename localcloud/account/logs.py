"""Log groups, who may write to them, and the deliveries of AWS services' logs."""

from __future__ import annotations

from localcloud.account.clients import Clients, region_of
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import as_json, inputs, send
from localcloud.account.sts import account_id
from localcloud.recorder import Created, Registration


@creates("aws:cloudwatch/logGroup:LogGroup")
def log_group(clients: Clients, r: Registration) -> Created:
    logs, name = clients.of("logs", r), physical_name(r)
    values = {**inputs(r, "name", "retentionInDays", "skipDestroy"), "logGroupName": name}
    send(logs, "create_log_group", values)
    if r.inputs.get("retentionInDays"):
        retention = {"logGroupName": name, "retentionInDays": r.inputs["retentionInDays"]}
        send(logs, "put_retention_policy", retention)
    arn = f"arn:aws:logs:{region_of(r)}:{account_id(clients)}:log-group:{name}"
    return Created(name, {"name": name, "arn": arn})


@creates("aws:cloudwatch/logResourcePolicy:LogResourcePolicy")
def resource_policy(clients: Clients, r: Registration) -> Created:
    values = {**inputs(r, "policyDocument"), "policyDocument": as_json(r.inputs["policyDocument"])}
    send(clients.of("logs", r), "put_resource_policy", values)
    return Created(str(r.inputs.get("policyName") or r.inputs["resourceArn"]), {})


@creates("aws:cloudwatch/logMetricFilter:LogMetricFilter")
def metric_filter(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    values = {**inputs(r, "name", "pattern"), "filterName": name, "filterPattern": r.inputs["pattern"]}
    renamed = {"metricTransformation": "metricTransformations", "name": "metricName", "namespace": "metricNamespace"}
    send(clients.of("logs", r), "put_metric_filter", values, {**renamed, "value": "metricValue"})
    return Created(name, {"name": name})


@creates("aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter")
def subscription_filter(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    renamed = {"logGroup": "logGroupName"}
    send(clients.of("logs", r), "put_subscription_filter", {**inputs(r, "name"), "filterName": name}, renamed)
    return Created(name, {"name": name})


@creates("aws:cloudwatch/logDeliverySource:LogDeliverySource")
def delivery_source(clients: Clients, r: Registration) -> Created:
    made = send(clients.of("logs", r), "put_delivery_source", inputs(r))["deliverySource"]
    return Created(made["name"], {"arn": made["arn"], "service": made.get("service", "")})


@creates("aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination")
def delivery_destination(clients: Clients, r: Registration) -> Created:
    # The kind of destination follows from its ARN; AWS takes it as an input for X-Ray only.
    kinds = () if "deliveryDestinationConfiguration" not in r.inputs else ("deliveryDestinationType",)
    made = send(clients.of("logs", r), "put_delivery_destination", inputs(r, *kinds))["deliveryDestination"]
    return Created(made["name"], {"arn": made["arn"]})


@creates("aws:cloudwatch/logDelivery:LogDelivery")
def delivery(clients: Clients, r: Registration) -> Created:
    renamed = {"s3DeliveryConfigurations": "s3DeliveryConfiguration"}
    made = send(clients.of("logs", r), "create_delivery", inputs(r), renamed)["delivery"]
    return Created(made["id"], {"arn": made["arn"]})
