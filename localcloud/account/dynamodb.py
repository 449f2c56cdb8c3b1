"""Tables, with their indexes, streams, time to live and recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.account.clients import Client, Clients, region_of
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration

# Inputs that are calls of their own, or whose form differs from AWS's.
_APART = (
    "attributes",
    "hashKey",
    "rangeKey",
    "globalSecondaryIndexes",
    "localSecondaryIndexes",
    "pointInTimeRecovery",
    "ttl",
    "replicas",
    "serverSideEncryption",
    "streamEnabled",
    "streamViewType",
    "readCapacity",
    "writeCapacity",
    "name",
)


@creates("aws:dynamodb/table:Table")
def table(clients: Clients, r: Registration) -> Created:
    dynamodb, name = clients.of("dynamodb", r), physical_name(r)
    values = {**inputs(r, *_APART), **_schema(r.inputs), "tableName": name}
    key = r.inputs.get("serverSideEncryption", {})
    if key.get("enabled"):
        values.update(_encryption(key.get("kmsKeyArn")))
    made = send(dynamodb, "create_table", values)["TableDescription"]
    if r.inputs.get("pointInTimeRecovery"):
        _recover(dynamodb, name, r.inputs["pointInTimeRecovery"])
    if r.inputs.get("ttl"):
        _expire(dynamodb, name, r.inputs["ttl"])
    for copy in r.inputs.get("replicas", []):
        _replicate(clients, made["TableArn"], str(copy["regionName"]), copy)
    outputs = {
        "name": name,
        "arn": made["TableArn"],
        "streamArn": made.get("LatestStreamArn", ""),
        "streamLabel": made.get("LatestStreamLabel", ""),
    }
    return Created(name, outputs)


@creates("aws:dynamodb/tableReplica:TableReplica")
def table_replica(clients: Clients, r: Registration) -> Created:
    table_arn = str(r.inputs["globalTableArn"])
    values = inputs(r, "globalTableArn", "tableClassOverride")
    arn = _replicate(clients, table_arn, region_of(r), values)
    # The provider's id names the table and the region it was replicated from.
    return Created(f"{table_arn.rpartition('/')[2]}:{table_arn.split(':')[3]}", {"arn": arn})


def _replicate(clients: Clients, table_arn: str, region: str, given: Mapping[str, Any]) -> str:
    """Make a table of the same form in another region, and return its ARN.

    moto has no global tables: reads in the other region find this one, but items do not travel.
    """
    name, origin = table_arn.rpartition("/")[2], clients.at("dynamodb", table_arn.split(":")[3])
    source = origin.describe_table(TableName=name)["Table"]
    dynamodb = clients.at("dynamodb", region)
    values: dict[str, Any] = {
        "tableName": name,
        "attributeDefinitions": source["AttributeDefinitions"],
        "keySchema": source["KeySchema"],
        "billingMode": source.get("BillingModeSummary", {}).get("BillingMode", "PAY_PER_REQUEST"),
        "globalSecondaryIndexes": [_index_of(index) for index in source.get("GlobalSecondaryIndexes", [])] or None,
        "streamSpecification": source.get("StreamSpecification"),
        "deletionProtectionEnabled": given.get("deletionProtectionEnabled"),
        "tags": given.get("tags"),
        **(_encryption(given["kmsKeyArn"]) if given.get("kmsKeyArn") else {}),
    }
    arn = send(dynamodb, "create_table", values)["TableDescription"]["TableArn"]
    _recover(dynamodb, name, {"enabled": given.get("pointInTimeRecovery", False)})
    expiry = origin.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    if "AttributeName" in expiry:
        _expire(dynamodb, name, {"attributeName": expiry["AttributeName"], "enabled": True})
    return str(arn)


def _index_of(description: Mapping[str, Any]) -> dict[str, Any]:
    return {key: description[key] for key in ("IndexName", "KeySchema", "Projection")}


def _encryption(key_arn: Any) -> dict[str, Any]:
    return {"sseSpecification": {"enabled": True, "sseType": "KMS", "kmsMasterKeyId": key_arn}}


def _recover(dynamodb: Client, name: str, recovery: Mapping[str, Any]) -> None:
    specification = {
        "pointInTimeRecoveryEnabled": recovery["enabled"],
        "recoveryPeriodInDays": recovery.get("recoveryPeriodInDays"),
    }
    values = {"tableName": name, "pointInTimeRecoverySpecification": specification}
    send(dynamodb, "update_continuous_backups", values)


def _expire(dynamodb: Client, name: str, ttl: Mapping[str, Any]) -> None:
    values = {"tableName": name, "timeToLiveSpecification": {"enabled": True, **ttl}}
    send(dynamodb, "update_time_to_live", values)


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keys, attributes, indexes, throughput and stream, as CreateTable wants them."""
    schema: dict[str, Any] = {
        "attributeDefinitions": [{"attributeName": a["name"], "attributeType": a["type"]} for a in given["attributes"]],
        "keySchema": _keys(given),
        "globalSecondaryIndexes": _indexes(given.get("globalSecondaryIndexes", [])) or None,
        "localSecondaryIndexes": _indexes(given.get("localSecondaryIndexes", []), given.get("hashKey", "")) or None,
    }
    if given.get("billingMode", "PROVISIONED") == "PROVISIONED":
        schema["billingMode"] = "PROVISIONED"
        schema["provisionedThroughput"] = _throughput(given)
    if given.get("streamEnabled"):
        schema["streamSpecification"] = {"streamEnabled": True, "streamViewType": given["streamViewType"]}
    return schema


def _keys(given: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    if given.get("keySchemas"):
        return given["keySchemas"]
    keys = [("HASH", given.get("hashKey")), ("RANGE", given.get("rangeKey"))]
    return [{"attributeName": name, "keyType": kind} for kind, name in keys if name]


def _indexes(indexes: Sequence[Mapping[str, Any]], hash_key: str = "") -> list[dict[str, Any]]:
    """A local index has the table's hash key, given here; a global one has its own."""
    return [_index({"hashKey": hash_key, **index} if hash_key else index) for index in indexes]


def _index(index: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "indexName": index["name"],
        "keySchema": _keys(index),
        "projection": {
            "projectionType": index["projectionType"],
            "nonKeyAttributes": index.get("nonKeyAttributes") or None,
        },
        "provisionedThroughput": _throughput(index) if "readCapacity" in index else None,
    }


def _throughput(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"readCapacityUnits": given["readCapacity"], "writeCapacityUnits": given["writeCapacity"]}
