"""The front end's bucket behind the edge, and the right of one distribution to read it.

They are two components, since the distribution stands between them: it is made of the bucket, and the policies of
bucket and key name the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.edge.behaviours import StaticTtl, cache_key
from components.edge.policies import distribution_reads, static_key_policy
from components.keys.policies import Scope
from components.models.bucket import Bucket, BucketArgs
from components.models.policies import arn_of, bucket_policy


@dataclass(frozen=True, kw_only=True)
class StaticFilesArgs:
    """`access_log_bucket` takes S3's own access log of the bucket; it lies in the same region."""

    place: Place
    bucket_name: str
    access_log_bucket: pulumi.Input[str]
    force_destroy: bool
    key_deletion_window_days: int
    ttl: StaticTtl


class StaticFiles(Component, area="edge"):
    """Files that CloudFront serves: where they lie, how it signs its requests for them, how long it keeps them.

    Children: Key and Alias, a Bucket (component) without a policy yet, OriginAccessControl, CachePolicy.
    """

    bucket: pulumi.Output[str]
    regional_domain_name: pulumi.Output[str]
    key_id: pulumi.Output[str]
    key_arn: pulumi.Output[str]
    origin_access_control_id: pulumi.Output[str]
    cache_policy_id: pulumi.Output[str]

    def __init__(self, name: str, args: StaticFilesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        key = self._key(args.key_deletion_window_days)
        store = Bucket(
            self.child_name("bucket"),
            BucketArgs(
                place=self.place,
                bucket_name=args.bucket_name,
                key_arn=key.arn,
                access_log_bucket=args.access_log_bucket,
                force_destroy=args.force_destroy,
                own_policy=False,
            ),
            opts=self.child(),
        )
        access = aws.cloudfront.OriginAccessControl(
            self.child_name("access"),
            name=self.place.names.of("static"),
            description=f"Signs requests for the front end of {self.place.names.prefix}",
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self.child(),
        )
        cache = aws.cloudfront.CachePolicy(
            self.child_name("cache"),
            name=self.place.names.of("static"),
            comment=f"Files of the front end of {self.place.names.prefix}",
            min_ttl=args.ttl.min_seconds,
            default_ttl=args.ttl.default_seconds,
            max_ttl=args.ttl.max_seconds,
            parameters_in_cache_key_and_forwarded_to_origin=cache_key(),
            opts=self.child(),
        )
        self.bucket = store.bucket
        self.regional_domain_name = store.regional_domain_name
        self.key_id = key.key_id
        self.key_arn = key.arn
        self.origin_access_control_id = access.id
        self.cache_policy_id = cache.id
        self.finish()

    def _key(self, deletion_window_days: int) -> aws.kms.Key:
        """A key of the front end's own: the platform's data key stays closed to CloudFront."""
        key_name = self.place.names.of("static")
        key = aws.kms.Key(
            self.child_name("key"),
            description=f"Front end of {self.place.names.prefix}",
            enable_key_rotation=True,
            deletion_window_in_days=deletion_window_days,
            region=self.region,
            tags=self.tagged(key_name),
            opts=self.child(guarded=True),
        )
        aws.kms.Alias(
            self.child_name("key-alias"),
            name=f"alias/{key_name}",
            target_key_id=key.key_id,
            region=self.region,
            opts=self.child(),
        )
        return key


@dataclass(frozen=True, kw_only=True)
class StaticAccessArgs:
    """`after` are resources that must stand before the bucket takes a policy, its public access block above all."""

    place: Place
    account_id: str
    bucket_name: str
    key_id: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    distribution_arn: pulumi.Input[str]
    after: Sequence[pulumi.Resource]


class StaticAccess(Component, area="edge"):
    """Opens bucket and key to one distribution.

    Children: KeyPolicy, BucketPolicy.
    """

    def __init__(self, name: str, args: StaticAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        aws.kms.KeyPolicy(
            self.child_name("key-policy"),
            key_id=args.key_id,
            policy=pulumi.Output.json_dumps(
                static_key_policy(Scope(args.account_id, self.region), args.distribution_arn)
            ),
            region=self.region,
            opts=self.child(),
        )
        bucket_arn = arn_of(args.bucket_name)
        aws.s3.BucketPolicy(
            self.child_name("bucket-policy"),
            bucket=args.bucket_name,
            policy=pulumi.Output.json_dumps(
                bucket_policy(bucket_arn, [distribution_reads(bucket_arn, args.distribution_arn)], args.key_arn)
            ),
            region=self.region,
            # S3 refuses a policy while the access block of the same bucket is being changed.
            opts=self.child(depends_on=args.after),
        )
        self.finish()
