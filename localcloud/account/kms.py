"""Keys and aliases."""

from __future__ import annotations

from localcloud.account.clients import Clients, region_of
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import as_json, inputs, send
from localcloud.recorder import Created, Registration


@creates("aws:kms/key:Key")
def key(clients: Clients, r: Registration) -> Created:
    kms = clients.of("kms", r)
    later = ("enableKeyRotation", "rotationPeriodInDays", "isEnabled", "deletionWindowInDays")
    renamed = {"customerMasterKeySpec": "KeySpec"}
    made = send(kms, "create_key", inputs(r, *later), renamed)["KeyMetadata"]
    if r.inputs.get("enableKeyRotation"):
        rotation = {"rotationPeriodInDays": r.inputs.get("rotationPeriodInDays")}
        send(kms, "enable_key_rotation", {"keyId": made["KeyId"], **rotation})
    if r.inputs.get("isEnabled") is False:
        send(kms, "disable_key", {"keyId": made["KeyId"]})
    return Created(made["KeyId"], {"keyId": made["KeyId"], "arn": made["Arn"]})


@creates("aws:kms/replicaKey:ReplicaKey")
def replica_key(clients: Clients, r: Registration) -> Created:
    """A replica is asked for where its primary key lies."""
    primary_region = str(r.inputs["primaryKeyArn"]).split(":")[3]
    values = {
        **inputs(r, "primaryKeyArn", "deletionWindowInDays", "enabled"),
        "keyId": r.inputs["primaryKeyArn"],
        "replicaRegion": region_of(r),
    }
    made = send(clients.at("kms", primary_region), "replicate_key", values)["ReplicaKeyMetadata"]
    return Created(made["KeyId"], {"keyId": made["KeyId"], "arn": made["Arn"]})


@creates("aws:kms/keyPolicy:KeyPolicy")
def key_policy(clients: Clients, r: Registration) -> Created:
    values = {**inputs(r), "policyName": "default", "policy": as_json(r.inputs["policy"])}
    send(clients.of("kms", r), "put_key_policy", values)
    return Created(str(r.inputs["keyId"]), {})


@creates("aws:kms/alias:Alias")
def alias(clients: Clients, r: Registration) -> Created:
    kms = clients.of("kms", r)
    name = physical_name(r)
    name = name if name.startswith("alias/") else f"alias/{name}"
    send(kms, "create_alias", {"aliasName": name, "targetKeyId": r.inputs["targetKeyId"]})
    target = kms.describe_key(KeyId=r.inputs["targetKeyId"])["KeyMetadata"]["Arn"]
    account, region = target.split(":")[4], region_of(r)
    return Created(name, {"name": name, "arn": f"arn:aws:kms:{region}:{account}:{name}", "targetKeyArn": target})
