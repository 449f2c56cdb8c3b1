"""The groups of settings between a client and a model: edge, failover, ingress, workload."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, IPvAnyNetwork

from contract import service
from infra.capacity import Capacity, ContainerSize
from infra.settings.sections import Image, LogRetentionDays, ModelName, Percent, Section, Weight


class Ingress(Section):
    health_interval_seconds: int = Field(default=30, ge=5, le=300)
    """How often the load balancer probes a pod."""
    health_timeout_seconds: int = Field(default=5, ge=2, le=120)
    """How long a probe may take."""
    healthy_threshold: int = Field(default=2, ge=2, le=10)
    """Probes in a row that must succeed before a pod gets traffic."""
    unhealthy_threshold: int = Field(default=3, ge=2, le=10)
    """Probes in a row that must fail before a pod gets none."""
    idle_timeout_seconds: int = Field(default=60, ge=1, le=4000)
    """How long the load balancer keeps an idle connection."""
    canary_weight: int = Field(default=0, ge=0, le=100)
    """Share of requests, in percent, that the canary image gets; it needs `workload.canary_image`."""
    rate_limit_per_5_minutes: int = Field(default=10_000, ge=10)
    """Requests that one forwarded address may send in 5 minutes through the load balancer. Above the edge's own limit,
    for a caller can write any address into the header and would otherwise lock another one out."""
    client_cidrs: tuple[IPvAnyNetwork, ...] = ()
    """Address ranges that may reach the load balancer directly, for an environment without an edge."""


class Edge(Section):
    enabled: bool = True
    """Whether CloudFront and its Web ACL stand before the load balancers."""
    rate_limit_per_5_minutes: int = Field(default=2000, ge=10)
    """Requests that one client address may send in 5 minutes, counted at the edge."""
    static_min_ttl_seconds: int = Field(default=86_400, ge=0)
    """Shortest time that the edge caches a static file."""
    static_default_ttl_seconds: int = Field(default=604_800, ge=0)
    """Time that the edge caches a static file without caching headers."""
    static_max_ttl_seconds: int = Field(default=31_536_000, ge=0)
    """Longest time that the edge caches a static file."""
    price_class: Literal["PriceClass_100", "PriceClass_200", "PriceClass_All"] = "PriceClass_100"
    """Which CloudFront locations serve."""
    waf_log_retention_days: LogRetentionDays = 30
    """How long the logs of both Web ACLs are kept."""


class Failover(Section):
    primary_weight: Weight = 100
    """DNS weight of the primary region."""
    secondary_weight: Weight = 0
    """DNS weight of the secondary region: 0 answers only when the primary is unhealthy."""
    health_interval_seconds: Literal[10, 30] = 30
    """How often each Route 53 checker probes a region."""
    failure_threshold: int = Field(default=3, ge=1, le=10)
    """Probes in a row that must fail before a region counts as unhealthy."""


class Quota(Section):
    cpu_request_cores: int = Field(default=20, ge=1)
    """Sum of CPU requests that the namespace may hold."""
    cpu_limit_cores: int = Field(default=48, ge=1)
    """Sum of CPU limits that the namespace may hold: 20 pods, a rollout's surge and a canary at 2 CPUs each."""
    memory_request_gib: int = Field(default=40, ge=1)
    """Sum of memory requests that the namespace may hold, in GiB."""
    memory_limit_gib: int = Field(default=80, ge=1)
    """Sum of memory limits that the namespace may hold, in GiB."""
    gpus: int = Field(default=0, ge=0)
    """GPUs that the namespace may request; the GPU node pool needs at least one."""

    @property
    def capacity(self) -> Capacity:
        return Capacity(
            cpu_requests_millicores=self.cpu_request_cores * 1000,
            cpu_limits_millicores=self.cpu_limit_cores * 1000,
            memory_requests_mib=self.memory_request_gib * 1024,
            memory_limits_mib=self.memory_limit_gib * 1024,
        )


class Autoscaling(Section):
    replicas_min: int = Field(default=3, ge=1)
    """Fewest pods."""
    replicas_max: int = Field(default=20, ge=1)
    """Most pods."""
    cpu_percent: Percent = 70
    """CPU use, as a share of the request, that scaling aims at."""
    memory_percent: Percent = 80
    """Memory use, as a share of the request, that scaling aims at."""
    requests_per_second: int = Field(default=100, ge=1)
    """Requests a second of each pod that scaling aims at, once `observability.adapter_image` is set."""
    scale_up_period_seconds: int = Field(default=30, ge=1, le=1800)
    """At most one pod is added in this time."""
    scale_down_period_seconds: int = Field(default=300, ge=1, le=1800)
    """At most one pod is removed in this time."""


class Workload(Section):
    model_name: ModelName = "demo"
    """Which model of the production bucket is served."""
    model_version: str = Field(default="latest", pattern=r"^(latest|\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?)$")
    """A version to pin, or `latest` to follow the highest release in the bucket."""
    canary_image: Image | None = None
    """A second image, by digest, that gets `ingress.canary_weight` percent of the requests."""
    canary_replicas: int = Field(default=2, ge=1)
    """Pods of the canary image, while there is one; the quota keeps room for them at all times."""
    autoscaling: Autoscaling = Autoscaling()
    """How the number of pods follows the load."""
    quota: Quota = Quota()
    """What the namespace may hold in all."""
    cpu_request_millicores: int = Field(default=500, ge=10)
    """CPU that a pod is promised."""
    cpu_limit_millicores: int = Field(default=2000, ge=10)
    """CPU that a pod may use."""
    memory_request_mib: int = Field(default=512, ge=64)
    """Memory that a pod is promised."""
    memory_limit_mib: int = Field(default=2048, ge=64)
    """Memory that a pod may use."""
    await_rollout: bool = True
    """Whether an update waits until pods are ready; none can be before a first model is in the bucket."""
    min_available: int = Field(default=2, ge=0)
    """Pods that stay up through voluntary disruptions."""
    headroom_pods: int = Field(default=0, ge=0, le=20)
    """Placeholders of a serving pod's size that give way at once, so that a new pod need not wait for a node."""
    drain_seconds: int = Field(default=service.DRAIN_SECONDS, ge=0, le=600)
    """Time that a stopping pod goes on serving while load balancers turn away from it."""
    refresh_seconds: int = Field(default=30, ge=1, le=3600)
    """How often a pod looks for a new model version."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=104_857_600)
    """Largest request body, enforced by the server and by the Web ACLs' own rule."""
    max_wait_ms: int = Field(default=100, ge=1, le=60_000)
    """A request that has waited longer for its turn is refused (503), so that the others are answered in time."""
    max_connections: int = Field(default=4096, ge=1, le=65_535)
    """Connections that each worker process of a pod keeps open."""
    grpc: bool = True
    """Whether pods serve gRPC too, to callers in their own namespace."""

    @property
    def container_size(self) -> ContainerSize:
        return ContainerSize(
            cpu_request_millicores=self.cpu_request_millicores,
            cpu_limit_millicores=self.cpu_limit_millicores,
            memory_request_mib=self.memory_request_mib,
            memory_limit_mib=self.memory_limit_mib,
        )
