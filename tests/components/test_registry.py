"""The tables of deployments and of API keys, and their replicas, on mocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from components.base import Component
from components.registry import access
from components.registry.api_keys import ApiKeys
from components.registry.deployments import Registry
from components.registry.table import InvalidReplica, Replica, TableArgs
from localcloud.graph import Graph
from tests.support.components import TAGS, graph_of, place

KEY = "arn:aws:kms:eu-west-1:123456789012:key/data"
REPLICA_KEY = "arn:aws:kms:eu-central-1:123456789012:key/data"
SECONDARY = Replica(region="eu-central-1", key_arn=REPLICA_KEY)
NAME = "serveml-test-table"

Make = Callable[[str, TableArgs], Component]
BOTH = pytest.mark.parametrize("make", [Registry, ApiKeys])


def args(replica: Replica | None = SECONDARY, *, protect: bool = False, deletion_protection: bool = True) -> TableArgs:
    return TableArgs(
        place=place(protect=protect),
        table_name=NAME,
        key_arn=KEY,
        replica=replica,
        deletion_protection=deletion_protection,
    )


def graph(make: Make, given: TableArgs | None = None, *, preview: bool = False) -> Graph:
    return graph_of(lambda: make("registry", given or args()), preview=preview)


@BOTH
def test_a_preview_registers_what_the_update_does(make: Make) -> None:
    assert {n.urn for n in graph(make, preview=True)} == {n.urn for n in graph(make)}


def test_deployments_are_keyed_by_user_and_deployment() -> None:
    table = graph(Registry).one("Table").inputs
    assert (table["hashKey"], table["rangeKey"]) == ("user_id", "deployment_id")
    assert {a["name"]: a["type"] for a in table["attributes"]} == {
        "user_id": "S",
        "deployment_id": "S",
        "status": "S",
        "created_at": "S",
    }


def test_deployments_of_a_status_are_found_in_order_of_creation_with_all_attributes() -> None:
    (index,) = graph(Registry).one("Table").inputs["globalSecondaryIndexes"]
    assert index["name"] == "status-created-index"
    assert [(k["attributeName"], k["keyType"]) for k in index["keySchemas"]] == [
        ("status", "HASH"),
        ("created_at", "RANGE"),
    ]
    assert index["projectionType"] == "ALL"


def test_api_keys_are_found_by_their_id_and_by_their_user() -> None:
    table = graph(ApiKeys).one("Table").inputs
    assert table["hashKey"] == "key_id"
    assert "rangeKey" not in table
    assert {a["name"]: a["type"] for a in table["attributes"]} == {"key_id": "S", "user_id": "S"}
    (index,) = table["globalSecondaryIndexes"]
    assert (index["name"], index["projectionType"]) == ("user-index", "ALL")
    assert [(k["attributeName"], k["keyType"]) for k in index["keySchemas"]] == [("user_id", "HASH")]


@pytest.mark.parametrize(("make", "attribute"), [(Registry, "ttl"), (ApiKeys, "expires_at")])
def test_a_table_is_on_demand_streams_both_images_and_expires_by_ttl(make: Make, attribute: str) -> None:
    table = graph(make).one("Table").inputs
    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert "readCapacity" not in table
    assert (table["streamEnabled"], table["streamViewType"]) == (True, "NEW_AND_OLD_IMAGES")
    assert table["ttl"] == {"attributeName": attribute, "enabled": True}


@BOTH
def test_both_copies_recover_to_any_second_and_lie_under_their_regions_key(make: Make) -> None:
    made = graph(make)
    table, replica = made.one("Table").inputs, made.one("TableReplica").inputs
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": KEY}
    assert replica["pointInTimeRecovery"] is True
    assert replica["kmsKeyArn"] == REPLICA_KEY


@BOTH
def test_the_replica_lies_in_the_other_region_and_follows_the_table(make: Make) -> None:
    made = graph(make)
    table, replica = made.one("Table"), made.one("TableReplica")
    assert (table.region, replica.region) == ("eu-west-1", "eu-central-1")
    assert table.urn in replica.property_dependencies["globalTableArn"]


@BOTH
def test_both_copies_carry_the_tags(make: Make) -> None:
    made, expected = graph(make), {**TAGS, "Name": NAME}
    assert made.one("Table").inputs["tags"] == made.one("TableReplica").inputs["tags"] == expected


@BOTH
def test_the_replica_is_described_once_and_the_table_leaves_it_alone(make: Make) -> None:
    table = graph(make).one("Table")
    assert "replicas" not in table.inputs
    assert "replicas" in table.ignore_changes


@BOTH
@pytest.mark.parametrize("deletion_protection", [True, False])
def test_deletion_protection_holds_for_both_copies_by_setting(make: Make, deletion_protection: bool) -> None:
    made = graph(make, args(deletion_protection=deletion_protection))
    for kind in ("Table", "TableReplica"):
        assert made.one(kind).inputs["deletionProtectionEnabled"] is deletion_protection


@BOTH
def test_the_engine_protects_both_copies_where_the_place_says_so(make: Make) -> None:
    guarded = graph(make, args(protect=True))
    assert guarded.one("Table").protect
    assert guarded.one("TableReplica").protect
    assert not graph(make).one("Table").protect


def test_without_a_second_region_there_is_one_copy() -> None:
    made = graph(Registry, args(None))
    assert not made.of_type("TableReplica")
    outputs = made.one("serveml:registry:Registry").registered_outputs or {}
    assert outputs["table_name"] == NAME
    assert outputs["stream_arn"].startswith("arn:aws:dynamodb:eu-west-1:")


@BOTH
def test_a_table_names_the_copy_of_each_region(make: Make) -> None:
    made, name = graph(make), f"serveml:registry:{make.__name__}"
    outputs = made.one(name).registered_outputs or {}
    assert outputs["table_arns"] == {
        "eu-west-1": made.one("Table").outputs["arn"],
        "eu-central-1": made.one("TableReplica").outputs["arn"],
    }
    alone = graph(make, args(None)).one(name).registered_outputs or {}
    assert list(alone["table_arns"]) == ["eu-west-1"]


def test_a_replica_in_the_tables_own_region_is_refused() -> None:
    with pytest.raises(InvalidReplica, match="lies in eu-west-1 already"):
        args(Replica(region="eu-west-1", key_arn=REPLICA_KEY))


def test_who_reads_the_keys_may_decrypt_through_dynamodb_alone_and_write_nothing() -> None:
    arn = f"arn:aws:dynamodb:eu-west-1:123456789012:table/{NAME}"
    statements = access.reader_statements(table_arn=arn, key_arn=KEY, region="eu-west-1")
    assert {action for statement in statements for action in statement["Action"]} == {"dynamodb:Scan", "kms:Decrypt"}
    assert statements[0]["Resource"] == [arn]
    assert statements[1]["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"}}


def test_who_follows_deployments_reads_them_by_name_and_writes_reports_alone() -> None:
    arn = f"arn:aws:dynamodb:eu-west-1:123456789012:table/{NAME}"
    read, report, decrypt = access.follower_statements(table_arn=arn, key_arn=KEY, region="eu-west-1")
    assert read["Action"] == ["dynamodb:BatchGetItem"]
    assert report["Action"] == ["dynamodb:PutItem", "dynamodb:DeleteItem"]
    assert report["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["pods#*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"}}
    assert {arn, KEY} == {resource for part in (read, report, decrypt) for resource in part["Resource"]}
