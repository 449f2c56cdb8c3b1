"""What runs in a region's cluster: the namespaces, and in them the serving pods once there is an image."""

from __future__ import annotations

from typing import Any

from components.cluster.pod_identity import PodIdentity, PodIdentityArgs
from components.models import access as model_access
from components.network import subnets
from components.observability import images, traces
from components.registry import access as table_access
from components.registry.api_keys import ApiKeys
from components.workload import labels
from components.workload.authentication import Authentication, TokenIssuer
from components.workload.autoscaling import Scaling
from components.workload.configuration import ServerSettings
from components.workload.isolation import Neighbours
from components.workload.placeholder import Headroom, HeadroomArgs
from components.workload.platform_namespaces import Namespaces, NamespacesArgs
from components.workload.workload import Workload, WorkloadArgs
from contract import service
from infra.settings import Settings
from infra.settings.access import Access
from stacks.site import Site

MILLICORES = 1000
KEEP_ALIVE_MARGIN_SECONDS = 15
"""How much longer a pod keeps an idle connection than the load balancer does."""


def build_namespaces(site: Site) -> Namespaces:
    """What every other object of the cluster stands in."""
    quota = site.settings.workload.quota
    return Namespaces(
        site.place.names.of("namespaces"),
        NamespacesArgs(
            place=site.place,
            provider=site.cluster.provider,
            cluster=site.cluster.cluster,
            quota=quota.capacity,
            gpus=quota.gpus,
            logging=site.settings.observability.level != "off",
        ),
    )


def build_workload(site: Site, namespaces: Namespaces, image: str) -> None:
    """The pods that serve, and room for more of them."""
    identity = PodIdentity(
        site.place.names.of("inference-identity"),
        PodIdentityArgs(
            place=site.place,
            account_id=site.account_id,
            cluster_name=site.cluster.cluster_name,
            namespace=labels.SERVING_NAMESPACE,
            service_account=service.SERVICE_NAME,
            statements=_statements(site),
        ),
    )
    wanted, network = site.settings.workload, site.settings.network
    plan = subnets.plan(site.cidr, site.zones, network.public_prefix_length, network.private_prefix_length)
    Workload(
        site.place.names.of("inference"),
        WorkloadArgs(
            place=site.place,
            provider=site.cluster.provider,
            cluster=site.cluster.cluster,
            after=[namespaces, site.ingress, identity],
            image=image,
            canary_image=wanted.canary_image,
            canary_replicas=wanted.canary_replicas,
            settings=_server_settings(site),
            size=wanted.container_size,
            scaling=_scaling(site.settings),
            neighbours=Neighbours(
                load_balancer_cidrs=plan.public,
                vpc_cidr=site.cidr,
                metrics=site.settings.observability.level != "off",
                traces=site.settings.observability.level == "full",
            ),
            zones=site.zones,
            stable_target_group_arn=site.ingress.stable_target_group_arn,
            canary_target_group_arn=site.ingress.canary_target_group_arn,
            await_rollout=wanted.await_rollout,
        ),
    )
    if wanted.headroom_pods:
        Headroom(
            site.place.names.of("headroom"),
            HeadroomArgs(
                place=site.place,
                provider=site.cluster.provider,
                cluster=site.cluster.cluster,
                image=images.PAUSE.reference,
                pods=wanted.headroom_pods,
                size=wanted.container_size,
                model_cache_mib=WorkloadArgs.model_cache_mib,
                zones=site.zones,
            ),
        )


def _server_settings(site: Site) -> ServerSettings:
    settings, wanted = site.settings, site.settings.workload
    return ServerSettings(
        environment=settings.environment,
        log_level=settings.log_level,
        models_bucket=site.store.production_bucket,
        deployments_table=site.registry.table_name,
        model_name=wanted.model_name,
        model_version=wanted.model_version,
        max_body_bytes=wanted.max_body_bytes,
        drain_seconds=wanted.drain_seconds,
        refresh_seconds=wanted.refresh_seconds,
        workers=max(1, wanted.cpu_limit_millicores // MILLICORES),
        keep_alive_seconds=settings.ingress.idle_timeout_seconds + KEEP_ALIVE_MARGIN_SECONDS,
        max_wait_ms=wanted.max_wait_ms,
        max_connections=wanted.max_connections,
        grpc=wanted.grpc,
        authentication=_authentication(settings.access, site.api_keys),
        tracing=traces.variables(settings.observability.traces_percent)
        if settings.observability.level == "full"
        else {},
    )


def _scaling(settings: Settings) -> Scaling:
    wanted = settings.workload.autoscaling
    return Scaling(
        replicas_min=wanted.replicas_min,
        replicas_max=wanted.replicas_max,
        available_min=settings.workload.min_available,
        cpu_percent=wanted.cpu_percent,
        memory_percent=wanted.memory_percent,
        requests_per_second=wanted.requests_per_second if settings.observability.adapter_image else None,
        scale_up_period_seconds=wanted.scale_up_period_seconds,
        scale_down_period_seconds=wanted.scale_down_period_seconds,
    )


def _statements(site: Site) -> list[dict[str, Any]]:
    """What the pods may do in AWS: read their model, follow its deployment, and read the keys of callers if asked."""
    settings, region, key_arn = site.settings, site.place.region, site.keys.data_key_arn
    statements = model_access.reader_statements(
        bucket_arn=site.store.production_bucket_arn,
        key_arn=key_arn,
        model_name=settings.workload.model_name,
        region=region,
    )
    statements += table_access.follower_statements(
        table_arn=site.registry.table_arns[region], key_arn=key_arn, region=region
    )
    if settings.access.authentication == "required":
        statements += table_access.reader_statements(
            table_arn=site.api_keys.table_arns[region], key_arn=key_arn, region=region
        )
    return statements


def _authentication(wanted: Access, api_keys: ApiKeys) -> Authentication | None:
    if wanted.authentication == "off":
        return None
    issuer, audience, keys_url = wanted.token_issuer, wanted.token_audience, wanted.token_keys_url
    return Authentication(
        keys_table=api_keys.table_name,
        keys_refresh_seconds=wanted.keys_refresh_seconds,
        requests_per_minute=wanted.requests_per_minute,
        model_requests_per_minute=wanted.model_requests_per_minute,
        token_issuer=TokenIssuer(issuer=issuer, audience=audience, keys_url=keys_url)
        if issuer and audience and keys_url
        else None,
    )
