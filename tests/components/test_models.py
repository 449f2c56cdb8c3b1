"""The regional buckets, on mocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pytest

from components.models.bucket import Bucket, BucketArgs, InvalidBucket, ObjectLockMode
from components.models.policies import Statement
from components.models.store import ModelStore, ModelStoreArgs
from localcloud.graph import Graph, Node
from tests.support.components import graph_of, place

ACCOUNT = "123456789012"
DATA_KEY = "arn:aws:kms:eu-west-1:123456789012:key/data"
LOGS_KEY = "arn:aws:kms:eu-west-1:123456789012:key/logs"
KINDS = ("models-production", "models-staging", "datasets", "backups", "audit-logs", "access-logs")


def store(
    *,
    protect: bool = False,
    force_destroy: bool = False,
    object_lock: bool = True,
    access_log_statements: Sequence[Statement] = (),
) -> ModelStore:
    return ModelStore(
        "store",
        ModelStoreArgs(
            place=place(protect=protect),
            account_id=ACCOUNT,
            data_key_arn=DATA_KEY,
            logs_key_arn=LOGS_KEY,
            staging_retention_days=30,
            datasets_cold_after_days=90,
            backup_retention_days=30,
            audit_retention_days=365,
            access_log_retention_days=90,
            noncurrent_retention_days=14,
            force_destroy=force_destroy,
            object_lock=object_lock,
            access_log_statements=access_log_statements,
        ),
    )


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(store)


def child(graph: Graph, kind: str, bucket: str) -> Node:
    return graph.one(kind, f"-{bucket}-")


def rules(graph: Graph, bucket: str) -> list[dict[str, Any]]:
    return [dict(r) for r in child(graph, "BucketLifecycleConfiguration", bucket).inputs["rules"]]


def statements(graph: Graph, bucket: str) -> list[dict[str, Any]]:
    return json.loads(child(graph, "BucketPolicy", bucket).inputs["policy"])["Statement"]


def test_a_preview_registers_what_the_update_does(graph: Graph) -> None:
    assert {n.urn for n in graph_of(store, preview=True)} == {n.urn for n in graph}


def test_names_carry_place_and_account(graph: Graph) -> None:
    names = {child(graph, "Bucket", kind).inputs["bucket"] for kind in KINDS}
    assert names == {f"serveml-test-euw1-{kind}-{ACCOUNT}" for kind in KINDS}


def test_every_regional_child_lies_in_the_region_of_its_place(graph: Graph) -> None:
    assert {n.region for n in graph.custom()} == {"eu-west-1"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_bucket_is_versioned_private_and_owned(graph: Graph, kind: str) -> None:
    assert child(graph, "BucketVersioning", kind).inputs["versioningConfiguration"] == {"status": "Enabled"}
    assert child(graph, "BucketOwnershipControls", kind).inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    block = child(graph, "BucketPublicAccessBlock", kind).inputs
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(block[switch] is True for switch in switches)
    assert {"RefusePlainHttp", "RefuseOldTls"} <= {s["Sid"] for s in statements(graph, kind)}


@pytest.mark.parametrize(
    ("kind", "encryption"),
    [
        *[
            (kind, {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": DATA_KEY})
            for kind in ("models-production", "models-staging", "datasets", "backups")
        ],
        ("audit-logs", {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": LOGS_KEY}),
        # Load balancers and S3 deliver to nothing else.
        ("access-logs", {"sseAlgorithm": "AES256"}),
    ],
)
def test_buckets_are_encrypted_with_our_keys_except_where_delivery_forbids(
    graph: Graph, kind: str, encryption: dict[str, str]
) -> None:
    (rule,) = child(graph, "BucketServerSideEncryptionConfiguration", kind).inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == encryption
    assert rule["bucketKeyEnabled"] is (encryption["sseAlgorithm"] == "aws:kms")


@pytest.mark.parametrize("kind", KINDS)
def test_abandoned_uploads_and_overwritten_versions_are_cleared_away(graph: Graph, kind: str) -> None:
    housekeeping = rules(graph, kind)[0]
    assert housekeeping["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert housekeeping["noncurrentVersionExpiration"] == {"noncurrentDays": 14}
    assert housekeeping["status"] == "Enabled"


def test_production_models_are_kept_for_ever_and_tiered_from_the_first_day(graph: Graph) -> None:
    housekeeping, tiering = rules(graph, "models-production")
    assert tiering["transitions"] == [{"days": 0, "storageClass": "INTELLIGENT_TIERING"}]
    assert "expiration" not in tiering
    assert housekeeping["expiration"] == {"expiredObjectDeleteMarker": True}


@pytest.mark.parametrize(
    ("kind", "days"), [("models-staging", 30), ("backups", 30), ("audit-logs", 365), ("access-logs", 90)]
)
def test_other_buckets_expire_by_setting(graph: Graph, kind: str, days: int) -> None:
    assert rules(graph, kind)[1]["expiration"] == {"days": days}


def test_datasets_grow_cold_but_stay_readable_at_once(graph: Graph) -> None:
    assert rules(graph, "datasets")[1]["transitions"] == [{"days": 90, "storageClass": "GLACIER_IR"}]


def test_audit_logs_are_locked_for_their_retention_and_nothing_else_is(graph: Graph) -> None:
    lock = graph.one("BucketObjectLockConfiguration")
    assert "-audit-logs-" in lock.name
    assert lock.inputs["rule"]["defaultRetention"] == {"mode": "GOVERNANCE", "days": 365}
    assert [k for k in KINDS if child(graph, "Bucket", k).inputs["objectLockEnabled"]] == ["audit-logs"]


def test_without_object_lock_the_audit_bucket_may_be_emptied() -> None:
    unlocked = graph_of(lambda: store(object_lock=False, force_destroy=True))
    assert not unlocked.of_type("BucketObjectLockConfiguration")
    assert all(child(unlocked, "Bucket", kind).inputs["forceDestroy"] for kind in KINDS)


def test_a_locked_audit_bucket_is_never_emptied_on_destroy() -> None:
    locked = graph_of(lambda: store(object_lock=True, force_destroy=True))
    assert [k for k in KINDS if not child(locked, "Bucket", k).inputs["forceDestroy"]] == ["audit-logs"]


def test_who_may_deliver_logs_and_where(graph: Graph) -> None:
    writers = {
        kind: {s["Principal"]["Service"] for s in statements(graph, kind) if s["Effect"] == "Allow"} for kind in KINDS
    }
    assert writers["audit-logs"] == {"cloudtrail.amazonaws.com", "delivery.logs.amazonaws.com"}
    assert writers["access-logs"] == {
        "logdelivery.elasticloadbalancing.amazonaws.com",
        "logging.s3.amazonaws.com",
    }
    assert not any(writers[kind] for kind in KINDS if not kind.endswith("-logs"))


def test_access_to_every_bucket_is_logged_but_not_to_the_log_target_itself(graph: Graph) -> None:
    logging = {n.name: n.inputs["targetBucket"] for n in graph.of_type("BucketLogging")}
    target = child(graph, "Bucket", "access-logs").inputs["bucket"]
    assert logging == {f"store-{kind}-logging": target for kind in KINDS if kind != "access-logs"}


def test_access_logs_are_written_where_the_policy_allows_it(graph: Graph) -> None:
    (grant,) = [s for s in statements(graph, "access-logs") if s["Sid"] == "S3AccessWrite"]
    prefixes = {n.inputs["targetPrefix"] for n in graph.of_type("BucketLogging")}
    target = child(graph, "Bucket", "access-logs").inputs["bucket"]
    assert [f"arn:aws:s3:::{target}/{prefix}*" for prefix in prefixes] == grant["Resource"]


def test_a_further_writer_of_access_logs_is_let_into_their_bucket_alone() -> None:
    statement = {"Sid": "Edge", "Effect": "Allow"}
    opened = graph_of(lambda: store(access_log_statements=[statement]))
    assert [kind for kind in KINDS if statement in statements(opened, kind)] == ["access-logs"]


def test_access_logging_waits_until_the_target_lets_s3_write(graph: Graph) -> None:
    logging = child(graph, "BucketLogging", "backups")
    assert child(graph, "BucketPolicy", "access-logs").urn in logging.property_dependencies["targetBucket"]


def test_model_buckets_announce_uploads(graph: Graph) -> None:
    announced = {n.name for n in graph.of_type("BucketNotification")}
    assert announced == {"store-models-production-events", "store-models-staging-events"}


def test_buckets_are_protected_where_the_place_says_so() -> None:
    guarded = graph_of(lambda: store(protect=True))
    assert all(child(guarded, "Bucket", kind).protect for kind in KINDS)
    assert not child(guarded, "BucketPolicy", "backups").protect


def test_the_store_hands_out_the_names_and_arns_of_its_buckets(graph: Graph) -> None:
    outputs = graph.one("serveml:models:ModelStore").registered_outputs or {}
    assert outputs["production_bucket"] == f"serveml-test-euw1-models-production-{ACCOUNT}"
    assert outputs["audit_bucket_arn"] == f"arn:aws:s3:::serveml-test-euw1-audit-logs-{ACCOUNT}"
    assert outputs["access_log_bucket"] == f"serveml-test-euw1-access-logs-{ACCOUNT}"


def bucket_args(**changes: Any) -> BucketArgs:
    given: dict[str, Any] = {
        "place": place(),
        "bucket_name": "static",
        "key_arn": DATA_KEY,
        "access_log_bucket": None,
        "force_destroy": False,
    }
    return BucketArgs(**{**given, **changes})


def test_a_caller_may_bring_the_whole_policy_itself() -> None:
    graph = graph_of(lambda: Bucket("static", bucket_args(own_policy=False)))
    assert not graph.of_type("BucketPolicy")


def test_a_bucket_without_a_log_target_has_no_access_log() -> None:
    graph = graph_of(lambda: Bucket("static", bucket_args()))
    assert not graph.of_type("BucketLogging")


def test_uploads_under_another_key_are_refused_even_when_the_key_is_made_in_the_same_run() -> None:
    graph = graph_of(lambda: Bucket("static", bucket_args(key_arn=pulumi.Output.from_input(DATA_KEY))))
    policy = graph.one("BucketPolicy")
    (statement,) = [s for s in json.loads(policy.inputs["policy"])["Statement"] if s["Sid"] == "RefuseOtherKeys"]
    assert DATA_KEY in statement["Condition"]["StringNotEquals"].values()


def test_nobody_can_shorten_a_compliance_lock() -> None:
    args = bucket_args(object_lock_days=7, object_lock_mode=ObjectLockMode.COMPLIANCE)
    lock = graph_of(lambda: Bucket("b", args)).one("BucketObjectLockConfiguration")
    assert lock.inputs["rule"]["defaultRetention"] == {"mode": "COMPLIANCE", "days": 7}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"object_lock_days": 7, "force_destroy": True}, "object lock and force_destroy"),
        ({"object_lock_days": 0}, "object_lock_days 0"),
        ({"noncurrent_retention_days": 0}, "noncurrent_retention_days 0"),
    ],
)
def test_contradictions_are_refused_with_a_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidBucket, match=message):
        bucket_args(**changes)
