"""Alertmanager: how many there are, what they keep, and the AWS rights to publish to the topic of alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.cluster.addons import system_pool_placement
from components.observability import access, images, names, pods, services
from components.observability.errors import InvalidObservability
from components.observability.monitors import API_VERSION, WEB_PORT
from components.observability.operator import reloaders
from components.observability.storage import volume_claim
from components.workload.labels import Manifest

SERVICE_ACCOUNT = names.ALERTMANAGER
"""What EKS Pod Identity ties the right to publish to."""

CONFIGURATION_SECRET = "alertmanager-config"
CONFIGURATION_KEY = "alertmanager.yaml"
"""The key that the operator reads."""

# Silences, and what was notified when: a few MiB. 1 GiB is the least that a gp3 volume has.
_STORAGE_GIB = 1
_RETENTION_HOURS = 120
_SIZE = pods.Size(
    cpu_request_millicores=20, cpu_limit_millicores=200, memory_request_mib=64, memory_limit_mib=256, disk_mib=64
)


@dataclass(frozen=True, kw_only=True)
class Alertmanager:
    """What differs from one environment to the next."""

    replicas: int
    """Two or more agree which of them notifies."""
    zones: int
    """Availability zones that the nodes may lie in."""

    def __post_init__(self) -> None:
        for what in ("replicas", "zones"):
            given = getattr(self, what)
            if given < 1:
                raise InvalidObservability(f"Alertmanager's {what} is {given}: give a whole number, 1 or more")


def statements(topic_arn: pulumi.Input[str], key_arn: pulumi.Input[str]) -> list[Mapping[str, Any]]:
    """The AWS rights of its pods: to publish to the topic, and to have what is published encrypted with the topic's key
    (Amazon SNS Developer Guide, "Managing Amazon SNS encryption keys and costs": kms:GenerateDataKey* and kms:Decrypt).

    Alertmanager finds the credentials of EKS Pod Identity by itself: without a key in its configuration it loads the
    default chain of aws-sdk-go-v2 (`createSNSClient` in notify/sns/sns.go at v0.33.1, config v1.32.17 in its go.mod),
    which knows them since release 2023-11-14 (Amazon EKS User Guide, "Use pod identity with the AWS SDK").
    """
    return [
        {"Sid": "PublishAlerts", "Effect": "Allow", "Action": ["sns:Publish"], "Resource": [topic_arn]},
        {
            "Sid": "UseTopicKey",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": [key_arn],
        },
    ]


def manifests(args: Alertmanager, configuration: pulumi.Input[str]) -> list[Manifest]:
    """Account, the Secret with what `routing` writes, Service, disruption budget, and the resource itself."""
    metadata = names.metadata(names.ALERTMANAGER)
    budget = [pods.disruption_budget(metadata, selector())] if args.replicas > 1 else []
    return [access.service_account(metadata), secret(configuration), service(), *budget, resource(args)]


def selector() -> dict[str, str]:
    """The pods that the operator makes of the resource."""
    return {**names.name_labels(names.ALERTMANAGER), names.OPERATED_BY_LABEL: names.ALERTMANAGER}


def secret(configuration: pulumi.Input[str]) -> Manifest:
    """Nothing in it is secret, but the operator reads the configuration from a Secret alone."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": names.metadata(CONFIGURATION_SECRET, of=names.ALERTMANAGER),
        "type": "Opaque",
        "stringData": {CONFIGURATION_KEY: configuration},
    }


def service() -> Manifest:
    return services.service(names.metadata(names.ALERTMANAGER), selector(), {WEB_PORT: names.ALERTMANAGER_PORT})


def resource(args: Alertmanager) -> Manifest:
    """What the operator reads."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Alertmanager",
        "metadata": names.metadata(names.ALERTMANAGER),
        "spec": {
            "replicas": args.replicas,
            "image": images.ALERTMANAGER.reference,
            "imagePullPolicy": "IfNotPresent",
            # By this the operator knows which settings there are.
            "version": images.ALERTMANAGER.version,
            "configSecret": CONFIGURATION_SECRET,
            "serviceAccountName": SERVICE_ACCOUNT,
            # It asks the API for nothing; EKS mounts the token of Pod Identity by itself.
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pods.pod_security(volumes_of_group=True),
            "resources": pods.resources(_SIZE),
            **reloaders(),
            **system_pool_placement(),
            "topologySpreadConstraints": pods.spread(selector(), args.zones),
            "retention": f"{_RETENTION_HOURS}h",
            "storage": {"volumeClaimTemplate": volume_claim(_STORAGE_GIB)},
            "logFormat": "json",
        },
    }
