"""The images of what watches the cluster, each by digest with the version that the digest was published as.

A digest names an image index, so the same reference serves every processor architecture. Check or renew one with
`crane digest <repository>:<version>`; the versions and digests below were found to agree in several public deployments
that pin the same reference.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """One image: where it is published, the version it was published as, and its digest."""

    repository: str
    version: str
    digest: str

    @property
    def reference(self) -> str:
        """`repository@sha256:…`, as a container names it."""
        return f"{self.repository}@sha256:{self.digest}"


PROMETHEUS_OPERATOR = Pinned(
    repository="quay.io/prometheus-operator/prometheus-operator",
    version="v0.93.0",
    digest="a001ed10a3823bbf2410ea347796d0e35ff8decd24fb98acbe7ab9e98d431c39",
)
CONFIG_RELOADER = Pinned(
    repository="quay.io/prometheus-operator/prometheus-config-reloader",
    version="v0.93.0",
    digest="0ccb22ca9f3f6fd9f76ce95585d18bd2e363d421c534dde710be4bd13caa551d",
)
PROMETHEUS = Pinned(
    repository="quay.io/prometheus/prometheus",
    version="v3.13.2-distroless",
    digest="64f71bb84e03c855948418b0fc5dea53e9543d8e3fc9931598f583805507f05e",
)
ALERTMANAGER = Pinned(
    repository="quay.io/prometheus/alertmanager",
    version="v0.33.1",
    digest="9e082985f56f4c8c9f724e18f2288c6708f472e56a5286b8863d080434ea065d",
)
KUBE_STATE_METRICS = Pinned(
    repository="registry.k8s.io/kube-state-metrics/kube-state-metrics",
    version="v2.19.1",
    digest="85108987d044b18a098126732f98602df408888c0f7d456241f5abefb9744bc1",
)
GRAFANA = Pinned(
    repository="docker.io/grafana/grafana",
    version="13.1.1",
    digest="7cb8c64c4d57a57e734073f3cc94620adb24a0acb929bd80ba9f14017e3a975b",
)
OTEL_COLLECTOR = Pinned(
    repository="docker.io/otel/opentelemetry-collector-contrib",
    version="0.160.0",
    digest="799dc6cf12c96192af37b5bdba804da8c10b3bc563b43cb90c3f3c58d9572ad6",
)
FLUENT_BIT = Pinned(
    repository="cr.fluentbit.io/fluent/fluent-bit",
    version="5.1.3",
    digest="c5542543523c9678398dd78d927c05e8425ec15b038f226b67b3b019b1a70845",
)
EXTERNAL_SECRETS = Pinned(
    repository="ghcr.io/external-secrets/external-secrets",
    version="v2.10.0",
    digest="814117b0fd6d121b03e8ba3b6db1cecbe7449a354fc0fc9c4faf73a37aa221b1",
)
PAUSE = Pinned(
    repository="registry.k8s.io/pause",
    version="3.10",
    digest="ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a",
)
