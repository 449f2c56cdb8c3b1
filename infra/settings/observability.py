"""The group of settings for what watches the platform: metrics, alerts, logs and traces."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.settings.sections import Email, Image, LogRetentionDays, Percent, Section


class Observability(Section):
    level: Literal["off", "basic", "full"] = "basic"
    """What is installed in the cluster: nothing; one of each; or two of what notices trouble, and traces."""
    metrics_retention_days: int = Field(default=30, ge=1, le=365)
    """How long Prometheus keeps metrics."""
    metrics_storage_gib: int = Field(default=50, ge=5, le=16_384)
    """Size of the volume of each Prometheus, in GiB."""
    log_retention_days: LogRetentionDays = 30
    """How long the containers' logs are kept."""
    traces_percent: Percent = 10
    """Share of requests whose trace is kept, at level full."""
    alarm_emails: tuple[Email, ...] = ()
    """Who gets alarms by mail; the topic of each region gets them in any case."""
    runbooks_url: str = Field(default="docs/runbooks", min_length=1, max_length=512, pattern=r"^\S+$")
    """Address of the folder with the runbooks, for links in alerts and dashboards, such as
    https://github.com/example/serveml/blob/main/docs/runbooks. By default their place in the repository."""
    adapter_image: Image | None = None
    """The image of prometheus-adapter v0.12.0, by digest, which tells the autoscaler the requests per second;
    `crane digest registry.k8s.io/prometheus-adapter/prometheus-adapter:v0.12.0` prints the digest. Without it pods
    scale by CPU and memory alone."""
    controller_image: Image | None = None
    """The image of ops/Dockerfile, by digest, which drives canaries from within the cluster of the primary region.
    Without it whoever starts a canary drives it."""
