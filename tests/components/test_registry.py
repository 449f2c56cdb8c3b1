"""The deployments table and its replica, on mocks."""

from __future__ import annotations

import pytest

from components.registry.table import InvalidRegistry, Registry, RegistryArgs, RegistryReplica
from localcloud.graph import Graph
from tests.support.components import TAGS, graph_of, place

KEY = "arn:aws:kms:eu-west-1:123456789012:key/data"
REPLICA_KEY = "arn:aws:kms:eu-central-1:123456789012:key/data"
SECONDARY = RegistryReplica(region="eu-central-1", key_arn=REPLICA_KEY)


def registry(
    replica: RegistryReplica | None = SECONDARY, *, protect: bool = False, deletion_protection: bool = True
) -> Registry:
    return Registry(
        "registry",
        RegistryArgs(
            place=place(protect=protect),
            table_name="serveml-test-deployments",
            key_arn=KEY,
            replica=replica,
            deletion_protection=deletion_protection,
        ),
    )


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(registry)


def test_a_preview_registers_what_the_update_does(graph: Graph) -> None:
    assert {n.urn for n in graph_of(registry, preview=True)} == {n.urn for n in graph}


def test_deployments_are_keyed_by_user_and_deployment(graph: Graph) -> None:
    table = graph.one("Table").inputs
    assert (table["hashKey"], table["rangeKey"]) == ("user_id", "deployment_id")
    assert {a["name"]: a["type"] for a in table["attributes"]} == {
        "user_id": "S",
        "deployment_id": "S",
        "status": "S",
        "created_at": "S",
    }


def test_deployments_of_a_status_are_found_in_order_of_creation_with_all_attributes(graph: Graph) -> None:
    (index,) = graph.one("Table").inputs["globalSecondaryIndexes"]
    assert index["name"] == "status-created-index"
    assert [(k["attributeName"], k["keyType"]) for k in index["keySchemas"]] == [
        ("status", "HASH"),
        ("created_at", "RANGE"),
    ]
    assert index["projectionType"] == "ALL"


def test_the_table_is_on_demand_streams_both_images_and_expires_by_ttl(graph: Graph) -> None:
    table = graph.one("Table").inputs
    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert "readCapacity" not in table
    assert (table["streamEnabled"], table["streamViewType"]) == (True, "NEW_AND_OLD_IMAGES")
    assert table["ttl"] == {"attributeName": "ttl", "enabled": True}


def test_both_copies_recover_to_any_second_and_lie_under_their_regions_key(graph: Graph) -> None:
    table, replica = graph.one("Table").inputs, graph.one("TableReplica").inputs
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": KEY}
    assert replica["pointInTimeRecovery"] is True
    assert replica["kmsKeyArn"] == REPLICA_KEY


def test_the_replica_lies_in_the_other_region_and_follows_the_table(graph: Graph) -> None:
    table, replica = graph.one("Table"), graph.one("TableReplica")
    assert (table.region, replica.region) == ("eu-west-1", "eu-central-1")
    assert table.urn in replica.property_dependencies["globalTableArn"]


def test_both_copies_carry_the_tags(graph: Graph) -> None:
    expected = {**TAGS, "Name": "serveml-test-deployments"}
    assert graph.one("Table").inputs["tags"] == graph.one("TableReplica").inputs["tags"] == expected


def test_the_replica_is_described_once_and_the_table_leaves_it_alone(graph: Graph) -> None:
    table = graph.one("Table")
    assert "replicas" not in table.inputs
    assert "replicas" in table.ignore_changes


@pytest.mark.parametrize("deletion_protection", [True, False])
def test_deletion_protection_holds_for_both_copies_by_setting(deletion_protection: bool) -> None:
    graph = graph_of(lambda: registry(deletion_protection=deletion_protection))
    for kind in ("Table", "TableReplica"):
        assert graph.one(kind).inputs["deletionProtectionEnabled"] is deletion_protection


def test_the_engine_protects_both_copies_where_the_place_says_so(graph: Graph) -> None:
    guarded = graph_of(lambda: registry(protect=True))
    assert guarded.one("Table").protect
    assert guarded.one("TableReplica").protect
    assert not graph.one("Table").protect


def test_without_a_second_region_there_is_one_copy() -> None:
    graph = graph_of(lambda: registry(None))
    assert not graph.of_type("TableReplica")
    outputs = graph.one("serveml:registry:Registry").registered_outputs or {}
    assert outputs["table_name"] == "serveml-test-deployments"
    assert outputs["stream_arn"].startswith("arn:aws:dynamodb:eu-west-1:")
    assert outputs.get("replica_arn") is None


def test_a_replica_in_the_tables_own_region_is_refused() -> None:
    with pytest.raises(InvalidRegistry, match="lies in eu-west-1 already"):
        registry(RegistryReplica(region="eu-west-1", key_arn=REPLICA_KEY))
