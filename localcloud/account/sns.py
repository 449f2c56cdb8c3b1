"""Topics, their policies and subscriptions."""

from __future__ import annotations

from localcloud.account.clients import Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import as_json, inputs, send
from localcloud.recorder import Created, Registration


@creates("aws:sns/topic:Topic")
def topic(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    attributes = {_attribute(key): as_json(value) for key, value in inputs(r, "name", "tags").items()}
    values = {"name": name, "attributes": attributes, "tags": r.inputs.get("tags", {})}
    arn = send(clients.of("sns", r), "create_topic", values)["TopicArn"]
    return Created(arn, {"name": name, "arn": arn, "owner": arn.split(":")[4]})


def _attribute(key: str) -> str:
    """SNS writes its attributes with a capital, and the names of protocols in capitals."""
    for protocol in ("http", "sqs"):
        if key.startswith(protocol):
            return protocol.upper() + key.removeprefix(protocol)
    return key[0].upper() + key[1:]


@creates("aws:sns/topicPolicy:TopicPolicy")
def topic_policy(clients: Clients, r: Registration) -> Created:
    values = {
        "topicArn": r.inputs["arn"],
        "attributeName": "Policy",
        "attributeValue": as_json(r.inputs["policy"]),
    }
    send(clients.of("sns", r), "set_topic_attributes", values)
    return Created(str(r.inputs["arn"]), {"owner": str(r.inputs["arn"]).split(":")[4]})


@creates("aws:sns/topicSubscription:TopicSubscription")
def subscription(clients: Clients, r: Registration) -> Created:
    # How long the provider waits for a confirmation, and whether one comes by itself, are its own affair.
    waiting = ("confirmationTimeoutInMinutes", "endpointAutoConfirms")
    plain = inputs(r, "topic", "protocol", "endpoint", *waiting)
    values = {
        "topicArn": r.inputs["topic"],
        "protocol": r.inputs["protocol"],
        "endpoint": r.inputs["endpoint"],
        "attributes": {_attribute(key): as_json(value) for key, value in plain.items()},
        "returnSubscriptionArn": True,
    }
    arn = send(clients.of("sns", r), "subscribe", values)["SubscriptionArn"]
    return Created(arn, {"arn": arn, "ownerId": arn.split(":")[4]})
