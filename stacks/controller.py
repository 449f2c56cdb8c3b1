"""The canary controller: in the region that writes deployments, where its image and a Prometheus are there."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.cluster.pod_identity import PodIdentity, PodIdentityArgs
from components.controller import access, names
from components.controller.controller import CanaryController, CanaryControllerArgs
from stacks.site import Site


def runs_controller(site: Site) -> bool:
    settings = site.settings
    return settings.observability.controller_image is not None and site.place.region == settings.pair.primary


def build_controller(
    site: Site, prepared: Sequence[pulumi.Resource], prometheus_url: pulumi.Input[str], replicas: int
) -> None:
    """`prepared` is what its objects and its questions need: namespaces, policies, Prometheus and its kinds."""
    image = site.settings.observability.controller_image
    if image is None or not runs_controller(site):
        return
    place, region = site.place, site.place.region
    identity = PodIdentity(
        place.names.of("controller-identity"),
        PodIdentityArgs(
            place=place,
            account_id=site.account_id,
            cluster_name=site.cluster.cluster_name,
            namespace=names.NAMESPACE,
            service_account=names.NAME,
            statements=access.statements(
                table_arn=site.registry.table_arns[region],
                table_key_arn=site.keys.data_key_arn,
                topic_arn=site.alarm_topic_arn,
                topic_key_arn=site.keys.logs_key_arn,
                region=region,
            ),
        ),
    )
    CanaryController(
        place.names.of("canary-controller"),
        CanaryControllerArgs(
            place=place,
            provider=site.cluster.provider,
            cluster=site.cluster.cluster,
            after=[*prepared, identity],
            image=image,
            environment=site.settings.environment,
            outputs={
                "regions": [region],
                "models_buckets": {region: site.store.production_bucket},
                "staging_buckets": {region: site.store.staging_bucket},
                "deployments_table": site.registry.table_name,
                "api_keys_table": site.api_keys.table_name,
                "alarm_topic": site.alarm_topic_arn,
            },
            prometheus_url=prometheus_url,
            log_level=site.settings.log_level,
            replicas=replicas,
            zones=site.zones,
        ),
    )
