"""Bucket policies and the replication role, by value: each is asked the way S3 asks it."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from components.models import log_delivery
from components.models.policies import arn_of, bucket_policy
from components.models.replication import role_policy, trust_policy

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
REGION = "eu-west-1"
BUCKET = arn_of("logs")
OBJECT = f"{BUCKET}/models/churn/v1.0.0/model.onnx"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ours"
ALGORITHM = "s3:x-amz-server-side-encryption"
KEY_ID = "s3:x-amz-server-side-encryption-aws-kms-key-id"
CUSTOMER = "s3:x-amz-server-side-encryption-customer-algorithm"
TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
OWNED = {"s3:x-amz-acl": "bucket-owner-full-control"}


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def holds(operator: str, key: str, wanted: Any, request: Mapping[str, str]) -> bool:
    """IAM's rule for a condition key: absent satisfies `Null: true` and negated operators, and nothing else."""
    given = request.get(key)
    if operator == "Null":
        return (given is None) == (wanted == "true")
    if operator.startswith("StringNot"):
        return given not in listed(wanted)
    if given is None:
        return False
    match operator:
        case "StringEquals" | "Bool" | "ArnEquals":
            return given in listed(wanted)
        case "StringLike" | "ArnLike":
            return any(fnmatchcase(given, pattern) for pattern in listed(wanted))
        case "NumericLessThan":
            return float(given) < float(wanted)
        case _:
            raise AssertionError(f"the test knows no operator {operator}")


def applies(statement: Mapping[str, Any], action: str, resource: str, request: Mapping[str, str], who: str) -> bool:
    principal = statement.get("Principal", "*")
    return (
        principal in ("*", {"Service": who})
        and any(fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
        and all(
            holds(operator, key, wanted, request)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def refused(
    document: Mapping[str, Any], request: Mapping[str, str], action: str = "s3:PutObject", resource: str = OBJECT
) -> set[str]:
    """The names of the statements that refuse the request."""
    return {
        statement["Sid"]
        for statement in document["Statement"]
        if statement["Effect"] == "Deny" and applies(statement, action, resource, request, "anyone")
    }


def allowed(
    statements: list[log_delivery.Statement], who: str, action: str, resource: str, request: Mapping[str, str]
) -> bool:
    return any(s["Effect"] == "Allow" and applies(s, action, resource, request, who) for s in statements)


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
def test_plain_http_is_refused_for_every_action(action: str) -> None:
    plain = {**TLS, "aws:SecureTransport": "false"}
    assert refused(bucket_policy(BUCKET, []), plain, action) == {"RefusePlainHttp"}


def test_listing_the_bucket_by_plain_http_is_refused_too() -> None:
    plain = {**TLS, "aws:SecureTransport": "false"}
    assert refused(bucket_policy(BUCKET, []), plain, "s3:ListBucket", BUCKET) == {"RefusePlainHttp"}


@pytest.mark.parametrize(
    ("version", "refusals"), [("1.0", {"RefuseOldTls"}), ("1.1", {"RefuseOldTls"}), ("1.2", set[str]())]
)
def test_tls_below_1_2_is_refused(version: str, refusals: set[str]) -> None:
    assert refused(bucket_policy(BUCKET, []), {**TLS, "s3:TlsVersion": version}, "s3:GetObject") == refusals


@pytest.mark.parametrize(
    ("headers", "refusals"),
    [
        pytest.param({}, set[str](), id="no header: the bucket's default is our key"),
        pytest.param({ALGORITHM: "aws:kms", KEY_ID: KEY}, set[str](), id="our key by its ARN"),
        pytest.param({ALGORITHM: "AES256"}, {"RefuseOtherAlgorithms"}, id="S3's own keys"),
        pytest.param(
            {ALGORITHM: "aws:kms", KEY_ID: f"{KEY}-not"}, {"RefuseOtherKeys"}, id="another key of the account"
        ),
        pytest.param({ALGORITHM: "aws:kms"}, {"RefuseManagedKey"}, id="the AWS managed key, by naming none"),
        pytest.param({CUSTOMER: "AES256"}, {"RefuseCustomerProvidedKeys"}, id="a key the caller keeps"),
    ],
)
def test_uploads_are_taken_under_our_key_only(headers: dict[str, str], refusals: set[str]) -> None:
    assert refused(bucket_policy(BUCKET, [], KEY), {**TLS, **headers}) == refusals


def test_a_log_target_without_a_key_of_ours_takes_s3s_own_keys() -> None:
    assert refused(bucket_policy(BUCKET, []), {**TLS, ALGORITHM: "AES256"}) == set()


def test_a_reader_is_not_asked_for_encryption_headers() -> None:
    assert refused(bucket_policy(BUCKET, [], KEY), TLS, "s3:GetObject") == set()


def test_statements_of_a_policy_have_names_of_their_own() -> None:
    extra = [
        *log_delivery.trail(BUCKET, ACCOUNT, "serveml-test"),
        *log_delivery.flow_logs(BUCKET, ACCOUNT, REGION),
        *log_delivery.load_balancer(BUCKET, ACCOUNT, REGION),
        *log_delivery.s3_access(BUCKET, ACCOUNT, "s3/", "serveml-test"),
    ]
    names = [statement["Sid"] for statement in bucket_policy(BUCKET, extra, KEY)["Statement"]]
    assert len(set(names)) == len(names)


def from_account(account: str, arn: str, **more: str) -> dict[str, str]:
    return {"aws:SourceAccount": account, "aws:SourceArn": arn.format(account=account), **TLS, **more}


TRAIL = "arn:aws:cloudtrail:us-east-1:{account}:trail/serveml-test-trail"
FLOWS = f"arn:aws:logs:{REGION}:{{account}}:any"
BALANCER = f"arn:aws:elasticloadbalancing:{REGION}:{{account}}:loadbalancer/app/serveml-test/1"


@pytest.mark.parametrize(
    "key", [f"AWSLogs/{ACCOUNT}/CloudTrail/a.json.gz", f"trail/AWSLogs/{ACCOUNT}/CloudTrail/a.json.gz"]
)
def test_our_trail_writes_with_and_without_a_prefix(key: str) -> None:
    statements = log_delivery.trail(BUCKET, ACCOUNT, "serveml-test")
    request = {**from_account(ACCOUNT, TRAIL), **OWNED}
    assert allowed(statements, log_delivery.CLOUDTRAIL, "s3:PutObject", f"{BUCKET}/{key}", request)


@pytest.mark.parametrize(
    ("request_", "key"),
    [
        pytest.param(
            {**from_account(OTHER_ACCOUNT, TRAIL), **OWNED}, f"AWSLogs/{ACCOUNT}/a", id="another account's trail"
        ),
        pytest.param(
            {**from_account(ACCOUNT, TRAIL), **OWNED}, f"AWSLogs/{OTHER_ACCOUNT}/a", id="another account's folder"
        ),
        pytest.param(
            {**from_account(ACCOUNT, TRAIL.replace("serveml", "someone")), **OWNED},
            f"AWSLogs/{ACCOUNT}/a",
            id="another project's trail",
        ),
        pytest.param(from_account(ACCOUNT, TRAIL), f"AWSLogs/{ACCOUNT}/a", id="not as the bucket owner's"),
    ],
)
def test_no_other_trail_writes(request_: dict[str, str], key: str) -> None:
    statements = log_delivery.trail(BUCKET, ACCOUNT, "serveml-test")
    assert not allowed(statements, log_delivery.CLOUDTRAIL, "s3:PutObject", f"{BUCKET}/{key}", request_)


@pytest.mark.parametrize(
    "folder", [f"AWSLogs/{ACCOUNT}", f"AWSLogs/aws-account-id={ACCOUNT}", f"flows/AWSLogs/aws-account-id={ACCOUNT}"]
)
def test_flow_logs_write_plain_and_hive_folders(folder: str) -> None:
    statements = log_delivery.flow_logs(BUCKET, ACCOUNT, REGION)
    request = {**from_account(ACCOUNT, FLOWS), **OWNED}
    assert allowed(statements, log_delivery.LOG_DELIVERY, "s3:PutObject", f"{BUCKET}/{folder}/a.parquet", request)
    foreign = {**from_account(OTHER_ACCOUNT, FLOWS), **OWNED}
    assert not allowed(statements, log_delivery.LOG_DELIVERY, "s3:PutObject", f"{BUCKET}/{folder}/a.parquet", foreign)


def test_services_that_check_the_acl_may_read_it_and_nothing_else() -> None:
    statements = log_delivery.flow_logs(BUCKET, ACCOUNT, REGION)
    request = {**from_account(ACCOUNT, FLOWS), **OWNED}
    assert allowed(statements, log_delivery.LOG_DELIVERY, "s3:GetBucketAcl", BUCKET, request)
    assert not allowed(statements, log_delivery.LOG_DELIVERY, "s3:GetObject", f"{BUCKET}/AWSLogs/{ACCOUNT}/a", request)


def test_load_balancers_of_this_account_and_region_write() -> None:
    statements = log_delivery.load_balancer(BUCKET, ACCOUNT, REGION)
    target = f"{BUCKET}/alb/AWSLogs/{ACCOUNT}/elasticloadbalancing/a.log.gz"
    who = log_delivery.LOAD_BALANCER_LOGS
    assert allowed(statements, who, "s3:PutObject", target, from_account(ACCOUNT, BALANCER))
    assert not allowed(statements, who, "s3:PutObject", target, from_account(OTHER_ACCOUNT, BALANCER))
    elsewhere = BALANCER.replace(REGION, "us-east-1")
    assert not allowed(statements, who, "s3:PutObject", target, from_account(ACCOUNT, elsewhere))


def test_only_buckets_of_this_environment_log_their_access_here() -> None:
    statements = log_delivery.s3_access(BUCKET, ACCOUNT, "s3/", "serveml-test")
    who, target = log_delivery.S3_ACCESS_LOGS, f"{BUCKET}/s3/{ACCOUNT}/{REGION}/a"
    ours, theirs = arn_of("serveml-test-euw1-backups"), arn_of("serveml-prod-euw1-backups")
    assert allowed(statements, who, "s3:PutObject", target, from_account(ACCOUNT, ours))
    assert not allowed(statements, who, "s3:PutObject", target, from_account(ACCOUNT, theirs))
    assert not allowed(statements, who, "s3:PutObject", f"{BUCKET}/alb/a", from_account(ACCOUNT, ours))


SOURCE, REPLICA = arn_of("source"), arn_of("replica")
REPLICA_KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/replica"
ROLE_POLICY = role_policy(
    source_bucket_arn=SOURCE,
    source_region=REGION,
    source_key_arn=KEY,
    destination_bucket_arn=REPLICA,
    destination_region="eu-central-1",
    destination_key_arn=REPLICA_KEY,
)


def replicator_may(action: str, resource: str, **request: str) -> bool:
    return allowed(ROLE_POLICY["Statement"], "", action, resource, request)


def through_s3(region: str, bucket_arn: str) -> dict[str, str]:
    return {"kms:ViaService": f"s3.{region}.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": bucket_arn}


def test_the_replication_role_reads_the_source_and_writes_the_replica_and_not_the_other_way() -> None:
    assert replicator_may("s3:GetObjectVersionForReplication", f"{SOURCE}/a")
    assert replicator_may("s3:ReplicateObject", f"{REPLICA}/a")
    assert not replicator_may("s3:ReplicateObject", f"{SOURCE}/a")
    assert not replicator_may("s3:GetObjectVersionForReplication", f"{REPLICA}/a")


@pytest.mark.parametrize("action", ["s3:ReplicateDelete", "s3:DeleteObject", "s3:PutObject", "s3:PutBucketPolicy"])
def test_the_replication_role_deletes_and_changes_nothing(action: str) -> None:
    assert not any(replicator_may(action, resource) for resource in (REPLICA, f"{REPLICA}/a", SOURCE, f"{SOURCE}/a"))


def test_each_key_serves_its_own_bucket_through_s3_in_its_region() -> None:
    assert replicator_may("kms:Decrypt", KEY, **through_s3(REGION, SOURCE))
    assert replicator_may("kms:Encrypt", REPLICA_KEY, **through_s3("eu-central-1", REPLICA))
    assert not replicator_may("kms:Decrypt", REPLICA_KEY, **through_s3("eu-central-1", REPLICA))
    assert not replicator_may("kms:Decrypt", KEY, **through_s3(REGION, arn_of("other")))
    assert not replicator_may("kms:Decrypt", KEY, **through_s3("us-east-1", SOURCE))


def test_s3_takes_the_replication_role_for_the_source_bucket_alone() -> None:
    (statement,) = trust_policy(ACCOUNT, SOURCE)["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": SOURCE},
    }
