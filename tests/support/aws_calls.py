"""What each call of an AWS API asks of IAM: the actions, on which resources, with what IAM can compare.

An action has its operation's name but for those named here (AWS service authorization reference, per service). Calls on
encrypted data ask for the key as well, through the service (S3 user guide, "Using server-side encryption with AWS KMS
keys"; DynamoDB developer guide, "Encryption at rest"; SNS developer guide, "Key management").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.iam import Request


@dataclass(kw_only=True)
class Call:
    service: str
    operation: str
    region: str
    params: Mapping[str, Any]
    missing: bool = False
    """Whether the answer was that there is no such thing."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a call does not say of what it names."""

    id: str
    bucket_regions: Mapping[str, str]
    data_keys: Mapping[str, str]
    """By region: the key's ARN that its buckets and tables are encrypted with."""
    topic_key: str
    aliases: Mapping[str, str]
    """Of signing keys: ARN by alias."""


def requests(call: Call, account: Account) -> Iterator[Request]:
    yield from _SERVICES[call.service](call, account)


def _s3(call: Call, account: Account) -> Iterator[Request]:
    params, operation = call.params, call.operation
    bucket = params["Bucket"]
    if operation in _ON_BUCKETS:
        prefix = {"s3:prefix": [params["Prefix"]]} if operation in _WITH_PREFIX and "Prefix" in params else {}
        yield Request(action=f"s3:{_ON_BUCKETS[operation]}", resource=_bucket(bucket), context=prefix)
        return
    if operation == "DeleteObjects":
        for found in params["Delete"]["Objects"]:
            action = "DeleteObjectVersion" if "VersionId" in found else "DeleteObject"
            yield Request(action=f"s3:{action}", resource=_object(bucket, found["Key"]))
        return
    if operation in ("CopyObject", "UploadPartCopy"):
        source = params["CopySource"]
        yield Request(action="s3:GetObject", resource=_object(source["Bucket"], source["Key"]))
        yield _key(account, source["Bucket"], "Decrypt")
    of_version = "Version" if "VersionId" in params else ""
    for action in _ON_OBJECTS.get(operation, (operation,)):
        named = f"{action}{of_version}" if action in ("GetObject", "DeleteObject") else action
        yield Request(action=f"s3:{named}", resource=_object(bucket, params["Key"]), context=_written(call))
    if operation == "HeadObject" and of_version:
        # Left out of the answer otherwise (S3 API reference, HeadObject).
        for action in ("GetObjectRetention", "GetObjectLegalHold"):
            yield Request(action=f"s3:{action}", resource=_object(bucket, params["Key"]))
    if call.missing and operation in ("HeadObject", "GetObject"):
        # Who may not list is told that access is denied, rather than that nothing is there.
        yield Request(action="s3:ListBucket", resource=_bucket(bucket))
        return
    for action in _ENCRYPTED.get(operation, ()):
        yield _key(account, bucket, action)
    if operation == "HeadObject" and "ChecksumMode" in params:
        yield _key(account, bucket, "Decrypt")


_ON_BUCKETS = {
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "GetBucketVersioning": "GetBucketVersioning",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
}
_WITH_PREFIX = ("ListObjectsV2", "ListObjectVersions")
_ON_OBJECTS = {
    "HeadObject": ("GetObject",),
    "CopyObject": ("PutObject",),
    "CreateMultipartUpload": ("PutObject",),
    "UploadPart": ("PutObject",),
    "UploadPartCopy": ("PutObject",),
    "CompleteMultipartUpload": ("PutObject",),
    "ListParts": ("ListMultipartUploadParts",),
}
_MAKING_OBJECTS = ("PutObject", "CopyObject", "CompleteMultipartUpload")
_ENCRYPTED = {
    "GetObject": ("Decrypt",),
    "PutObject": ("GenerateDataKey",),
    "CopyObject": ("GenerateDataKey",),
    "CreateMultipartUpload": ("GenerateDataKey",),
    "UploadPart": ("GenerateDataKey", "Decrypt"),
    "UploadPartCopy": ("GenerateDataKey", "Decrypt"),
    "CompleteMultipartUpload": ("Decrypt",),
}


def _written(call: Call) -> dict[str, list[str]]:
    """What IAM knows of a write."""
    context: dict[str, list[str]] = {}
    if "PutObject" in (call.operation, *_ON_OBJECTS.get(call.operation, ())):
        context["s3:ObjectCreationOperation"] = [str(call.operation in _MAKING_OBJECTS).lower()]
    if "IfNoneMatch" in call.params:
        context["s3:if-none-match"] = [call.params["IfNoneMatch"]]
    # UploadPartCopy names a source too, but no page says that IAM is told of it.
    if call.operation == "CopyObject":
        source = call.params["CopySource"]
        context["s3:x-amz-copy-source"] = [f"{source['Bucket']}/{source['Key']}"]
    return context


def _dynamodb(call: Call, account: Account) -> Iterator[Request]:
    params = call.params
    parts = [(call.operation, params)]
    if call.operation == "TransactWriteItems":
        parts = [(_IN_TRANSACTIONS[kind], part) for item in params["TransactItems"] for kind, part in item.items()]
    for action, part in parts:
        table = f"arn:aws:dynamodb:{call.region}:{account.id}:table/{part['TableName']}"
        resource = f"{table}/index/{part['IndexName']}" if "IndexName" in part else table
        leading = _leading_key(action, part)
        context = {} if leading is None else {"dynamodb:LeadingKeys": [leading]}
        yield Request(action=f"dynamodb:{action}", resource=resource, context=context)
    if call.operation != "DescribeContinuousBackups":
        yield _through(account.data_keys[call.region], "Decrypt", "dynamodb", call.region)


_IN_TRANSACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def _leading_key(action: str, part: Mapping[str, Any]) -> str | None:
    """The hash key's value, where the call names one."""
    if action == "Query":
        match = re.fullmatch(r"#\w+ = (:\w+)", part["KeyConditionExpression"])
        assert match, part
        return part["ExpressionAttributeValues"][match[1]]["S"]
    item: dict[str, Any] = part.get("Key") or part.get("Item") or {}
    # In the table of API keys `user_id` is an attribute, in that of deployments it is the hash key.
    name = "key_id" if "key_id" in item else "user_id"
    return item[name]["S"] if item else None


def _kms(call: Call, account: Account) -> Iterator[Request]:
    named = call.params["KeyId"]
    key = next(arn for alias, arn in account.aliases.items() if named in (alias, arn, arn.rpartition("/")[2]))
    aliases = [alias for alias, arn in account.aliases.items() if arn == key]
    yield Request(action=f"kms:{call.operation}", resource=key, context={"kms:ResourceAliases": aliases})


def _sns(call: Call, account: Account) -> Iterator[Request]:
    topic = call.params["TopicArn"]
    yield Request(action="sns:Publish", resource=topic)
    for action in ("GenerateDataKey", "Decrypt"):
        yield _through(account.topic_key, action, "sns", call.region, {"aws:sns:topicArn": topic})


_SERVICES: Mapping[str, Callable[[Call, Account], Iterator[Request]]] = {
    "s3": _s3,
    "dynamodb": _dynamodb,
    "kms": _kms,
    "sns": _sns,
}


def _key(account: Account, bucket: str, action: str) -> Request:
    region = account.bucket_regions[bucket]
    return _through(account.data_keys[region], action, "s3", region)


def _through(key: str, action: str, service: str, region: str, encryption: Mapping[str, str] | None = None) -> Request:
    context = {f"kms:EncryptionContext:{name}": [value] for name, value in (encryption or {}).items()}
    via = {"kms:ViaService": [f"{service}.{region}.amazonaws.com"]}
    return Request(action=f"kms:{action}", resource=key, context={**via, **context})


def _bucket(name: str) -> str:
    return f"arn:aws:s3:::{name}"


def _object(bucket: str, key: str) -> str:
    return f"{_bucket(bucket)}/{key}"
