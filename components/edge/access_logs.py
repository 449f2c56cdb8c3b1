"""Delivery of a distribution's access logs to a bucket, by CloudFront's standard logging v2.

The older logging needs a bucket with ACLs, which a bucket that its owner alone owns does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.edge.policies import access_log_delivery
from components.models.policies import Statement, arn_of
from infra.naming import Names, bounded
from infra.regions import GLOBAL_REGION

# With a prefix in the destination, and only then, AWS puts none of its own before the path, which it would otherwise do
# at creation but not at an update (hashicorp/terraform-provider-aws issue 46328).
PREFIX = "cloudfront"
PATH = "{DistributionId}/{yyyy}/{MM}/{dd}/{HH}"

# CloudWatch Logs API reference, PutDeliverySource.
SOURCE_NAME_MAX = 60

# CloudFront's standard fields without the cookies, query strings and referrers, in which callers leave secrets
# (developer guide, "Standard logging reference").
FIELDS = [
    "date",
    "time",
    "x-edge-location",
    "x-edge-request-id",
    "x-edge-result-type",
    "x-edge-response-result-type",
    "x-edge-detailed-result-type",
    "x-host-header",
    "c-ip",
    "c-port",
    "x-forwarded-for",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "cs(User-Agent)",
    "cs-protocol",
    "cs-protocol-version",
    "cs-bytes",
    "ssl-protocol",
    "ssl-cipher",
    "sc-status",
    "sc-bytes",
    "sc-content-type",
    "sc-content-len",
    "time-taken",
    "time-to-first-byte",
]


def source_name(names: Names) -> str:
    return bounded(names.of("edge-access"), SOURCE_NAME_MAX, "delivery source of the access logs")


def bucket_statement(names: Names, bucket_name: str, account_id: str) -> Statement:
    """The statement that the policy of the receiving bucket needs."""
    return access_log_delivery(arn_of(bucket_name), PREFIX, account_id, GLOBAL_REGION, source_name(names))


@dataclass(frozen=True, kw_only=True)
class AccessLogsArgs:
    """`bucket` may be in any region; its policy has to hold `bucket_statement` by then."""

    place: Place
    distribution_arn: pulumi.Input[str]
    bucket: pulumi.Input[str]


class AccessLogs(Component, area="edge"):
    """Access logs as JSON lines in S3, by distribution and hour.

    Children: LogDeliverySource, LogDeliveryDestination and the LogDelivery between them, all in us-east-1, where
    CloudFront's logs are to be had.
    """

    def __init__(self, name: str, args: AccessLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        delivery_name = source_name(self.place.names)
        source = aws.cloudwatch.LogDeliverySource(
            self.child_name("source"),
            name=delivery_name,
            log_type="ACCESS_LOGS",
            resource_arn=args.distribution_arn,
            region=GLOBAL_REGION,
            tags=self.tagged(delivery_name),
            opts=self.child(),
        )
        destination = aws.cloudwatch.LogDeliveryDestination(
            self.child_name("destination"),
            name=delivery_name,
            output_format="json",
            delivery_destination_configuration=aws.cloudwatch.LogDeliveryDestinationDeliveryDestinationConfigurationArgs(
                destination_resource_arn=pulumi.Output.concat("arn:aws:s3:::", args.bucket, f"/{PREFIX}")
            ),
            region=GLOBAL_REGION,
            tags=self.tagged(delivery_name),
            opts=self.child(),
        )
        aws.cloudwatch.LogDelivery(
            self.child_name("delivery"),
            delivery_source_name=source.name,
            delivery_destination_arn=destination.arn,
            record_fields=FIELDS,
            s3_delivery_configurations=[
                aws.cloudwatch.LogDeliveryS3DeliveryConfigurationArgs(
                    suffix_path=PATH, enable_hive_compatible_path=False
                )
            ],
            region=GLOBAL_REGION,
            tags=self.tagged(delivery_name),
            opts=self.child(),
        )
        self.finish()
