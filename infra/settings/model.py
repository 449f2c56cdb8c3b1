"""What can be set for a stack, as one typed, immutable document."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from infra.regions import PAIRS, RegionPair, Residency
from infra.settings.access import Access
from infra.settings.observability import Observability
from infra.settings.sections import Budget, Cluster, Image, Images, Network, Section, Storage
from infra.settings.traffic import Edge, Failover, Ingress, Workload

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


class Environment(StrEnum):
    """Which defaults a stack starts from. It does not say where the stack runs."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"
    LOCAL = "local"


class Settings(Section):
    """All settings of a stack. Each key stands in `Pulumi.<stack>.yaml` as `serveml:<key>`."""

    environment: Environment
    """Which environment this stack is: its defaults, its limits, and the middle part of every name."""
    domain: Annotated[str, Field(pattern=rf"^{_LABEL}(?:\.{_LABEL})+$", max_length=64)]
    """Public domain name of the API, such as ml.example.com."""
    residency: Residency = Residency.US
    """Which pair of regions may hold data."""
    secondary_region: bool = False
    """Whether the second region of the pair runs too, live at all times."""
    hosted_zone_id: Annotated[str, Field(pattern=r"^Z[A-Z0-9]{4,31}$")] | None = None
    """An existing Route 53 zone that serves the domain; without it the stack makes one."""
    image: Image | None = None
    """The serving image, by digest. Without it the platform comes up and no pods are started."""
    project: str = Field(default="serveml", pattern=r"^[a-z](?:[a-z0-9-]*[a-z0-9])?$")
    """First part of every name, and the Project tag."""
    owner: str = Field(default="ml-platform", min_length=1, max_length=128)
    """Owner tag: who answers for the resources."""
    cost_center: str = Field(default="ml", min_length=1, max_length=128)
    """CostCenter tag: who pays."""
    data_class: Literal["test", "anonymised", "real"] = "test"
    """What kind of data the environment may hold (tag DataClass)."""
    auto_shutdown: bool = True
    """AutoShutdown tag: whether a janitor may stop the environment when idle."""
    protect: bool = False
    """Whether data stores, keys, load balancers and clusters refuse deletion."""
    tls: bool = True
    """Whether clients and the edge reach the load balancer over TLS."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that the serving container logs."""
    network: Network = Network()
    """Address ranges, zones, NAT and endpoints."""
    cluster: Cluster = Cluster()
    """The EKS cluster and its node pools."""
    storage: Storage = Storage()
    """Buckets and keys: how long things are kept."""
    images: Images = Images()
    """The image repository."""
    ingress: Ingress = Ingress()
    """The load balancer of each region."""
    edge: Edge = Edge()
    """CloudFront and its Web ACL."""
    failover: Failover = Failover()
    """DNS weights and health checks of the regions."""
    workload: Workload = Workload()
    """The serving pods."""
    access: Access = Access()
    """Who may call a model, and how often."""
    observability: Observability = Observability()
    """Metrics, alerts, logs and traces."""
    budget: Budget = Budget()
    """The monthly budget and its alerts."""

    @property
    def pair(self) -> RegionPair:
        return PAIRS[self.residency]

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that run, primary first."""
        return (self.pair.primary, self.pair.secondary) if self.secondary_region else (self.pair.primary,)
