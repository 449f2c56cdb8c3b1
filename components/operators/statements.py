"""The statements that the policies of operators are put together from: each one right, on named resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.operators.reach import Reach, RegionStores, Text, bucket_arn, objects_arn, text

Statement = dict[str, Any]

WRITTEN_ONCE = {"Null": {"s3:if-none-match": "false"}}
"""Only where no object lies (Amazon S3 user guide, "Enforce conditional writes on Amazon S3 buckets")."""
SENT_IN_PARTS = {"Bool": {"s3:ObjectCreationOperation": "false"}}
"""Of a multipart upload all but its completion, which makes the object and takes the condition above (same page)."""


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[Text], condition: Mapping[str, Any] | None = None
) -> Statement:
    return _statement("Allow", sid, actions, resources, condition)


def refuse(sid: str, actions: Sequence[str], resources: Sequence[Text]) -> Statement:
    """Wins over whatever another policy of the same person allows."""
    return _statement("Deny", sid, actions, resources, None)


# Buckets


def list_under(
    sid: str, buckets: Sequence[Text], prefix: str, *, actions: Sequence[str] = ("s3:ListBucket",)
) -> Statement:
    """List the keys that begin so."""
    return allow(
        sid, actions, [bucket_arn(bucket) for bucket in buckets], {"StringLike": {"s3:prefix": [f"{prefix}*"]}}
    )


def find_under(sid: str, buckets: Sequence[Text], prefix: str) -> Statement:
    """List the keys that begin so, and be told of an object that it is not there.

    S3 answers 404 for a missing object only to who may list the bucket, and 403 otherwise (S3 API reference,
    HeadObject, Permissions). Such a request has no prefix, so the condition must hold without one.
    """
    arns = [bucket_arn(bucket) for bucket in buckets]
    return allow(sid, ["s3:ListBucket"], arns, {"StringLikeIfExists": {"s3:prefix": [f"{prefix}*"]}})


def on_buckets(sid: str, actions: Sequence[str], buckets: Sequence[Text]) -> Statement:
    return allow(sid, actions, [bucket_arn(bucket) for bucket in buckets])


def on_objects(
    sid: str, actions: Sequence[str], buckets: Sequence[Text], keys: str, condition: Mapping[str, Any] | None = None
) -> Statement:
    return allow(sid, actions, [objects_arn(bucket, keys) for bucket in buckets], condition)


# Tables


def on_items(sid: str, actions: Sequence[str], tables: Sequence[Text], keys: Sequence[str]) -> Statement:
    """Only items whose hash keys match one of these.

    In a transaction each item is judged by the action that it stands for (DynamoDB developer guide, "Using IAM with
    DynamoDB transactions").
    """
    condition = {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)},
        # Of no keys at all the condition above holds as well (IAM user guide, "Multivalued context keys").
        "Null": {"dynamodb:LeadingKeys": "false"},
    }
    return allow(sid, actions, tables, condition)


def by_index(sid: str, tables: Sequence[Text], index: str) -> Statement:
    return allow(sid, ["dynamodb:Query"], [text(table, "/index/", index) for table in tables])


# Keys


def use_data_keys(
    sid: str, actions: Sequence[str], stores: Sequence[RegionStores], services: Sequence[str]
) -> Statement:
    """Through these services alone, as each needs it for what it hands out or takes."""
    return _through(sid, actions, [part.data_key_arn for part in stores], stores, services)


def use_log_keys(sid: str, stores: Sequence[RegionStores]) -> Statement:
    return _through(sid, ["kms:Decrypt"], [part.logs_key_arn for part in stores], stores, ["s3"])


def sign_with(sid: str, reach: Reach, purpose: str) -> Statement:
    """Use keys whose alias says what they are for (AWS KMS developer guide, "Use aliases to control access")."""
    return allow(
        sid,
        ["kms:GetPublicKey", "kms:Sign"],
        [f"arn:aws:kms:{part.region}:{reach.account_id}:key/*" for part in reach.stores],
        {"ForAnyValue:StringLike": {"kms:ResourceAliases": [f"alias/{reach.prefix}-{purpose}*"]}},
    )


def tell(reach: Reach) -> list[Statement]:
    """Publish to the topic of notices, which is encrypted (Amazon SNS developer guide, "Key management")."""
    condition = {
        "kms:ViaService": f"sns.{reach.topic_region}.amazonaws.com",
        "kms:EncryptionContext:aws:sns:topicArn": reach.topic_arn,
    }
    keys = f"arn:aws:kms:{reach.topic_region}:{reach.account_id}:key/*"
    return [
        allow("Notify", ["sns:Publish"], [reach.topic_arn]),
        allow("EncryptNotices", ["kms:Decrypt", "kms:GenerateDataKey"], [keys], {"StringEquals": condition}),
    ]


def _through(
    sid: str,
    actions: Sequence[str],
    keys: Sequence[Text],
    stores: Sequence[RegionStores],
    services: Sequence[str],
) -> Statement:
    via = [f"{service}.{part.region}.amazonaws.com" for service in services for part in stores]
    return allow(sid, actions, keys, {"StringEquals": {"kms:ViaService": via}})


def _statement(
    effect: str, sid: str, actions: Sequence[str], resources: Sequence[Text], condition: Mapping[str, Any] | None
) -> Statement:
    statement: Statement = {"Sid": sid, "Effect": effect, "Action": list(actions), "Resource": list(resources)}
    return statement if condition is None else {**statement, "Condition": dict(condition)}
