"""One Prometheus and one Alertmanager at each level, for the tests of their manifests."""

from __future__ import annotations

from dataclasses import replace

from components.observability.alertmanager import Alertmanager
from components.observability.prometheus import Prometheus

TOPIC_ARN = "arn:aws:sns:eu-west-1:123456789012:serveml-prod-alarms"
FULL = Prometheus(
    replicas=2,
    retention_days=30,
    storage_gib=100,
    zones=3,
    region="eu-west-1",
    environment="prod",
    part_of="serveml",
)
BASIC = replace(FULL, replicas=1, retention_days=7, storage_gib=10, zones=1)
FULL_ALERTMANAGER = Alertmanager(replicas=2, zones=3)
BASIC_ALERTMANAGER = replace(FULL_ALERTMANAGER, replicas=1, zones=1)
