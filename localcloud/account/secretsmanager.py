"""Secrets, their versions, policies and rotation."""

from __future__ import annotations

from localcloud.account.clients import Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import as_json, inputs, send
from localcloud.recorder import Created, Registration


@creates("aws:secretsmanager/secret:Secret")
def secret(clients: Clients, r: Registration) -> Created:
    secretsmanager, name = clients.of("secretsmanager", r), physical_name(r)
    # The window is kept at deletion.
    values = {**inputs(r, "name", "policy", "recoveryWindowInDays"), "name": name}
    renamed = {"replicas": "AddReplicaRegions"}
    arn = send(secretsmanager, "create_secret", values, renamed)["ARN"]
    if r.inputs.get("policy"):
        _put_policy(clients, r, arn)
    return Created(arn, {"name": name, "arn": arn})


def _put_policy(clients: Clients, r: Registration, arn: str) -> None:
    values = {"secretId": arn, "resourcePolicy": as_json(r.inputs["policy"])}
    send(clients.of("secretsmanager", r), "put_resource_policy", values)


@creates("aws:secretsmanager/secretPolicy:SecretPolicy")
def secret_policy(clients: Clients, r: Registration) -> Created:
    _put_policy(clients, r, str(r.inputs["secretArn"]))
    return Created(str(r.inputs["secretArn"]), {})


@creates("aws:secretsmanager/secretVersion:SecretVersion")
def secret_version(clients: Clients, r: Registration) -> Created:
    made = send(clients.of("secretsmanager", r), "put_secret_value", inputs(r))
    outputs = {"arn": made["ARN"], "secretArn": made["ARN"], "versionId": made["VersionId"]}
    return Created(f"{made['ARN']}|{made['VersionId']}", outputs)


@creates("aws:secretsmanager/secretRotation:SecretRotation")
def secret_rotation(clients: Clients, r: Registration) -> Created:
    made = send(clients.of("secretsmanager", r), "rotate_secret", inputs(r, "rotationEnabled"))
    return Created(made["ARN"], {"rotationEnabled": True})
