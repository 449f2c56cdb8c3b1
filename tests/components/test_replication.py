"""Replication of models to the other region, on mocks; its role is tested by value with the bucket policies."""

from __future__ import annotations

from typing import Any

import pytest

from components.models.bucket import Bucket, BucketArgs
from components.models.replication import InvalidReplication, Replication, ReplicationArgs
from tests.support.components import graph_of, place

ACCOUNT = "123456789012"
DATA_KEY = "arn:aws:kms:eu-west-1:123456789012:key/data"


def replication_args(destination_region: str = "eu-central-1") -> ReplicationArgs:
    return ReplicationArgs(
        place=place(),
        account_id=ACCOUNT,
        source_bucket="source",
        source_bucket_arn="arn:aws:s3:::source",
        source_key_arn=DATA_KEY,
        destination_bucket_arn="arn:aws:s3:::replica",
        destination_key_arn="arn:aws:kms:eu-central-1:123456789012:key/data",
        destination_region=destination_region,
    )


@pytest.fixture(scope="module")
def rule() -> dict[str, Any]:
    graph = graph_of(lambda: Replication("copy", replication_args()))
    return graph.one("BucketReplicationConfig").inputs["rules"][0]


def test_replicas_arrive_within_fifteen_minutes_and_lateness_is_measured(rule: dict[str, Any]) -> None:
    destination = rule["destination"]
    assert destination["replicationTime"] == {"status": "Enabled", "time": {"minutes": 15}}
    assert destination["metrics"] == {"status": "Enabled", "eventThreshold": {"minutes": 15}}


def test_replicas_are_encrypted_with_the_destinations_key(rule: dict[str, Any]) -> None:
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    key = rule["destination"]["encryptionConfiguration"]["replicaKmsKeyId"]
    assert key == "arn:aws:kms:eu-central-1:123456789012:key/data"


def test_a_deletion_in_the_primary_does_not_reach_the_copy(rule: dict[str, Any]) -> None:
    assert rule["deleteMarkerReplication"] == {"status": "Disabled"}


def test_the_whole_bucket_is_copied(rule: dict[str, Any]) -> None:
    assert rule["filter"] == {"prefix": ""}


def test_the_rule_stands_only_after_its_role_may_copy() -> None:
    graph = graph_of(lambda: Replication("copy", replication_args()))
    config = graph.one("BucketReplicationConfig")
    policy = graph.one("RolePolicy")
    assert policy.urn in config.dependencies
    assert {n.urn for n in graph_of(lambda: Replication("copy", replication_args()), preview=True)} == {
        n.urn for n in graph
    }


def test_replication_waits_for_versioning_on_both_sides() -> None:
    def bucket(name: str) -> Bucket:
        return Bucket(
            name,
            BucketArgs(place=place(), bucket_name=name, key_arn=DATA_KEY, access_log_bucket=None, force_destroy=False),
        )

    def program() -> None:
        source, replica = bucket("source"), bucket("replica")
        Replication(
            "copy",
            ReplicationArgs(
                place=place(),
                account_id=ACCOUNT,
                source_bucket=source.bucket,
                source_bucket_arn=source.arn,
                source_key_arn=DATA_KEY,
                destination_bucket_arn=replica.arn,
                destination_key_arn="arn:aws:kms:eu-central-1:123456789012:key/data",
                destination_region="eu-central-1",
            ),
        )

    graph = graph_of(program)
    config = graph.one("BucketReplicationConfig")
    for name in ("source", "replica"):
        policy = graph.one("BucketPolicy", name)
        assert policy.urn in config.dependencies
        assert graph.one("BucketVersioning", name).urn in policy.dependencies


def test_replication_within_one_region_is_refused() -> None:
    with pytest.raises(InvalidReplication, match="stays in one region"):
        replication_args("eu-west-1")
