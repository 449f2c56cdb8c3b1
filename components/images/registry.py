"""The image repository of one region: tags that never move, scanned, under our key, copied to the other region."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.images.policies import lifecycle_policy, repository_policy
from infra.errors import InvalidInput


class InvalidImageReplication(InvalidInput):
    """A destination that is the source."""


@dataclass(frozen=True, kw_only=True)
class ImagesArgs:
    """`repository` is the name in both regions, such as `serveml-prod/inference`.

    `replicate_to` is the other region, given in the primary alone. `retained_images` is how many releases stay.
    `force_destroy` lets `destroy` take the images along.
    """

    place: Place
    account_id: str
    repository: str
    key_arn: pulumi.Input[str]
    replicate_to: str | None
    retained_images: int
    force_destroy: bool = False

    def __post_init__(self) -> None:
        if self.replicate_to == self.place.region:
            raise InvalidImageReplication(
                f"repository {self.repository!r} is to be replicated from {self.place.region} to itself: "
                "give the other region of the residency's pair, or None"
            )


class Images(Component, area="images"):
    """A repository with its policies, and in the primary region the replication to the other.

    Children: Repository, RepositoryPolicy, LifecyclePolicy; ReplicationConfiguration where a destination is given.

    Make one in each region: a repository that replication has to make itself gets AWS's defaults (tags that move,
    no key of ours, no policies). The replication is the registry's only one, so in an account and region a single
    environment may set `replicate_to`.
    """

    repository_url: pulumi.Output[str]
    repository_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        names = self.place.names
        repository = aws.ecr.Repository(
            self.child_name("repository"),
            name=args.repository,
            image_tag_mutability="IMMUTABLE",
            # Of this repository alone: enhanced scanning is set for a whole registry and billed by Inspector.
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=args.key_arn)
            ],
            force_delete=args.force_destroy,
            region=self.region,
            tags=self.tagged(args.repository),
            opts=self.child(guarded=True),
        )
        aws.ecr.RepositoryPolicy(
            self.child_name("policy"),
            repository=repository.name,
            policy=json.dumps(repository_policy(args.account_id, self.region, f"{names.project}-{names.environment}")),
            region=self.region,
            opts=self.child(),
        )
        aws.ecr.LifecyclePolicy(
            self.child_name("lifecycle"),
            repository=repository.name,
            policy=json.dumps(lifecycle_policy(args.retained_images)),
            region=self.region,
            opts=self.child(),
        )
        if args.replicate_to is not None:
            self._replicate(args, args.replicate_to)
        self.repository_url = repository.repository_url
        self.repository_arn = repository.arn
        self.finish()

    def _replicate(self, args: ImagesArgs, destination: str) -> None:
        rule = aws.ecr.ReplicationConfigurationReplicationConfigurationRuleArgs(
            destinations=[
                aws.ecr.ReplicationConfigurationReplicationConfigurationRuleDestinationArgs(
                    region=destination, registry_id=args.account_id
                )
            ],
            repository_filters=[
                aws.ecr.ReplicationConfigurationReplicationConfigurationRuleRepositoryFilterArgs(
                    filter=args.repository, filter_type="PREFIX_MATCH"
                )
            ],
        )
        aws.ecr.ReplicationConfiguration(
            self.child_name("replication"),
            replication_configuration=aws.ecr.ReplicationConfigurationReplicationConfigurationArgs(rules=[rule]),
            region=self.region,
            opts=self.child(),
        )
