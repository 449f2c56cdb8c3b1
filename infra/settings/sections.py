"""The groups of settings that the regional parts of the platform take: network, cluster, storage, images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork

# What CloudWatch Logs accepts (PutRetentionPolicy, parameter retentionInDays).
LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 3653]
Percent = Annotated[int, Field(ge=1, le=100)]
Weight = Annotated[int, Field(ge=0, le=255)]
PrincipalArn = Annotated[str, Field(pattern=r"^arn:aws:iam::\d{12}:(role|user)/\S+$")]
AddonVersion = Annotated[str, Field(pattern=r"^v\d+\.\d+\.\d+-eksbuild\.\d+$")]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
Image = Annotated[str, Field(pattern=r"^[a-z0-9.:/_-]+@sha256:[0-9a-f]{64}$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
InterfaceEndpoint = Literal["ecr.api", "ecr.dkr", "sts", "secretsmanager", "kms", "logs"]


class Section(BaseModel):
    """A group of settings: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Network(Section):
    primary_cidr: IPvAnyNetwork = Field(default="10.0.0.0/16", validate_default=True)  # pyright: ignore[reportAssignmentType]
    """Address range of the VPC in the primary region."""
    secondary_cidr: IPvAnyNetwork = Field(default="10.1.0.0/16", validate_default=True)  # pyright: ignore[reportAssignmentType]
    """Address range of the VPC in the secondary region; must not overlap the primary's."""
    zones: int = Field(default=3, ge=2, le=3)
    """How many availability zones the subnets span."""
    public_prefix_length: int = Field(default=24, ge=18, le=28)
    """Size of a public subnet, which holds load balancer nodes and NAT gateways."""
    private_prefix_length: int = Field(default=20, ge=16, le=26)
    """Size of a private subnet, which holds nodes and pods: a /20 has room for 4091 pods a zone."""
    nat_gateways: Literal["single", "per_zone"] = "single"
    """One NAT gateway for the VPC, or one per zone so that losing a zone cuts no other zone off."""
    interface_endpoints: tuple[InterfaceEndpoint, ...] = ("ecr.api", "ecr.dkr", "sts", "secretsmanager", "kms", "logs")
    """AWS services reached over private interface endpoints (short service names).
    S3 and DynamoDB always have gateway endpoints."""


class NodePool(Section):
    enabled: bool = True
    """Whether the pool exists."""
    cpu_limit: int = Field(default=100, ge=1)
    """Most vCPUs that the pool's nodes may have together."""
    memory_limit_gib: int = Field(default=400, ge=1)
    """Most memory that the pool's nodes may have together, in GiB."""


class NodePools(Section):
    general: NodePool = NodePool()
    """On-demand nodes for everything that serves."""
    spot: NodePool = NodePool(cpu_limit=64, memory_limit_gib=256)
    """Spot nodes for training, batch and other work that may be interrupted (tainted)."""
    gpu: NodePool = NodePool(enabled=False, cpu_limit=32, memory_limit_gib=128)
    """GPU nodes (tainted)."""


class Cluster(Section):
    kubernetes_version: str = Field(default="1.34", pattern=r"^1\.\d{2}$")
    """Kubernetes minor version of EKS."""
    endpoint_public_access: bool = False
    """Whether the API endpoint can be reached from outside the VPC at all."""
    endpoint_public_cidrs: tuple[IPvAnyNetwork, ...] = ()
    """Address ranges that may reach the public API endpoint."""
    admin_principal_arns: tuple[PrincipalArn, ...] = ()
    """IAM roles or users that administer the cluster; include the identity that runs Pulumi."""
    log_retention_days: LogRetentionDays = 90
    """How long control-plane logs are kept."""
    addon_versions: dict[str, AddonVersion] = {"metrics-server": "v0.8.1-eksbuild.5"}
    """Managed add-ons beyond what Auto Mode brings, each pinned: name to version. Autoscaling needs the metrics server;
    `aws eks describe-addon-versions --kubernetes-version 1.34` lists what there is."""
    node_pools: NodePools = NodePools()
    """Pools of worker nodes."""
    manifests_directory: str | None = None
    """Write Kubernetes objects as YAML files into this folder, not to a cluster (the local stack under an engine)."""


class Storage(Section):
    staging_retention_days: int = Field(default=30, ge=1)
    """Days after which a model in the staging bucket is deleted."""
    datasets_cold_after_days: int = Field(default=90, ge=1)
    """Days after which a dataset moves to cold storage."""
    backup_retention_days: int = Field(default=30, ge=1)
    """Days that exports and dumps are kept."""
    audit_retention_days: int = Field(default=365, ge=1)
    """Days that audit logs are kept, and locked against deletion where the lock is on."""
    access_log_retention_days: int = Field(default=90, ge=1)
    """Days that access logs of buckets, load balancers and the CDN are kept."""
    noncurrent_retention_days: int = Field(default=30, ge=1)
    """Days that overwritten or deleted object versions stay recoverable."""
    object_lock: bool = False
    """Lock audit logs against deletion for their retention (a bucket can only get the lock when it is made)."""
    force_destroy: bool = False
    """Delete buckets with their contents when the stack is destroyed."""
    secret_recovery_window_days: Literal[0, 7, 14, 30] = 30
    """Days that a deleted secret can be had back; 0 deletes it at once, so that its name is free again."""
    key_deletion_window_days: int = Field(default=30, ge=7, le=30)
    """Days between the deletion of a KMS key being asked for and it happening."""


class Images(Section):
    repository: str = Field(default="inference", pattern=r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$")
    """Last part of the image repository's name."""
    controller_repository: str = Field(default="canary-controller", pattern=r"^[a-z0-9]+(?:[._-][a-z0-9]+)*$")
    """Last part of the name of the canary controller's image repository, in the primary region."""
    retained_images: int = Field(default=30, ge=1, le=1000)
    """How many release images a repository keeps."""


class Budget(Section):
    limit_usd: int = Field(default=1000, ge=1)
    """Monthly budget in US dollars."""
    actual_percent: Percent = 80
    """Share of the budget actually spent at which an alert is sent."""
    forecast_percent: Percent = 100
    """Share of the budget forecast for the month at which an alert is sent."""
    emails: tuple[Email, ...] = ()
    """Who gets budget alerts by mail; the topic gets them in any case."""
