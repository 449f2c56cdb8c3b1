"""Buckets, and the configurations of a bucket that the provider has as resources of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.regions import GLOBAL_REGION
from localcloud.account.clients import Clients, region_of
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration


@creates("aws:s3/bucket:Bucket")
def bucket(clients: Clients, r: Registration) -> Created:
    s3, name, region = clients.of("s3", r), physical_name(r, "bucket"), region_of(r)
    # forceDestroy is the provider's: it empties a bucket before it deletes it.
    values = {**inputs(r, "tags", "bucket", "forceDestroy", "objectLockEnabled"), "bucket": name}
    if region != GLOBAL_REGION:
        # us-east-1 is the one region that must not be named.
        values["createBucketConfiguration"] = {"locationConstraint": region}
    if r.inputs.get("objectLockEnabled"):
        values["objectLockEnabledForBucket"] = True
    send(s3, "create_bucket", values)
    if r.inputs.get("tags"):
        send(s3, "put_bucket_tagging", {"bucket": name, "tagging": {"tagSet": r.inputs["tags"]}})
    return Created(
        name,
        {
            "bucket": name,
            "arn": f"arn:aws:s3:::{name}",
            "bucketDomainName": f"{name}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            "bucketRegion": region,
        },
    )


def _configure(clients: Clients, r: Registration, method: str, values: Mapping[str, Any]) -> Created:
    """Put one configuration of a bucket; its id is the bucket's name."""
    send(clients.of("s3", r), method, {"bucket": r.inputs["bucket"], **values})
    return Created(str(r.inputs["bucket"]), {})


@creates("aws:s3/bucketVersioning:BucketVersioning")
def versioning(clients: Clients, r: Registration) -> Created:
    return _configure(clients, r, "put_bucket_versioning", inputs(r))


@creates("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
def encryption(clients: Clients, r: Registration) -> Created:
    values = {"serverSideEncryptionConfiguration": inputs(r, "bucket")}
    return _configure(clients, r, "put_bucket_encryption", values)


@creates("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
def public_access_block(clients: Clients, r: Registration) -> Created:
    values = {"publicAccessBlockConfiguration": inputs(r, "bucket", "skipDestroy")}
    return _configure(clients, r, "put_public_access_block", values)


@creates("aws:s3/bucketOwnershipControls:BucketOwnershipControls")
def ownership(clients: Clients, r: Registration) -> Created:
    return _configure(clients, r, "put_bucket_ownership_controls", {"ownershipControls": {"rules": [r.inputs["rule"]]}})


@creates("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
def lifecycle(clients: Clients, r: Registration) -> Created:
    values = inputs(r, "bucket", "rules")
    return _configure(
        clients,
        r,
        "put_bucket_lifecycle_configuration",
        {**values, "lifecycleConfiguration": {"rules": r.inputs["rules"]}},
    )


@creates("aws:s3/bucketPolicy:BucketPolicy")
def policy(clients: Clients, r: Registration) -> Created:
    return _configure(clients, r, "put_bucket_policy", inputs(r))


@creates("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
def object_lock(clients: Clients, r: Registration) -> Created:
    configuration = {"objectLockEnabled": "Enabled", **inputs(r, "bucket", "token")}
    return _configure(clients, r, "put_object_lock_configuration", {"objectLockConfiguration": configuration})


@creates("aws:s3/bucketReplicationConfig:BucketReplicationConfig")
def replication(clients: Clients, r: Registration) -> Created:
    values = {"replicationConfiguration": inputs(r, "bucket", "token")}
    return _configure(clients, r, "put_bucket_replication", values)


@creates("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration")
def cors(clients: Clients, r: Registration) -> Created:
    return _configure(clients, r, "put_bucket_cors", {"corsConfiguration": inputs(r, "bucket")})


@creates("aws:s3/bucketAcl:BucketAcl")
def acl(clients: Clients, r: Registration) -> Created:
    return _configure(clients, r, "put_bucket_acl", inputs(r))


@creates("aws:s3/bucketNotification:BucketNotification")
def notification(clients: Clients, r: Registration) -> Created:
    eventbridge: dict[str, Any] = {"eventBridgeConfiguration": {}} if r.inputs.get("eventbridge") else {}
    values = {"notificationConfiguration": {**inputs(r, "bucket", "eventbridge"), **eventbridge}}
    send(
        clients.of("s3", r),
        "put_bucket_notification_configuration",
        {"bucket": r.inputs["bucket"], **values},
        {
            "queues": "QueueConfigurations",
            "topics": "TopicConfigurations",
            "lambdaFunctions": "LambdaFunctionConfigurations",
        },
    )
    return Created(str(r.inputs["bucket"]), {})
