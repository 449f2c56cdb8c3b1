"""What of a stack the policies speak of: its buckets, tables, keys and the topic of notices, in every region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.operators.duties import Approval

Text = pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class RegionStores:
    """Where one region keeps what commands work on. Keys: one for the data, one for the logs."""

    region: str
    production_bucket: Text
    staging_bucket: Text
    datasets_bucket: Text
    audit_bucket: Text
    deployments_table_arn: Text
    api_keys_table_arn: Text
    data_key_arn: Text
    logs_key_arn: Text


@dataclass(frozen=True, kw_only=True)
class Reach:
    """`stores` begins with the region where records are written and versions are published.

    `prefix` is what every name of the environment begins with. Signing keys are made by hand, outside of the program;
    they are known by aliases that begin with it.
    """

    account_id: str
    prefix: str
    stores: Sequence[RegionStores]
    topic_arn: Text
    topic_region: str
    approval: Approval

    @property
    def home(self) -> RegionStores:
        return self.stores[0]


def text(*parts: Text) -> Text:
    """The parts joined: plain where all of them are."""
    plain = [part for part in parts if isinstance(part, str)]
    return "".join(plain) if len(plain) == len(parts) else pulumi.Output.concat(*parts)


def bucket_arn(bucket: Text) -> Text:
    return text("arn:aws:s3:::", bucket)


def objects_arn(bucket: Text, keys: str) -> Text:
    """The objects of a bucket whose keys match."""
    return text("arn:aws:s3:::", bucket, "/", keys)
