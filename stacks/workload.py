"""What runs in a region's cluster: the namespaces, and in them the serving pods once there is an image."""

from __future__ import annotations

from typing import Any

from components.base import Place
from components.cluster.cluster import Cluster
from components.cluster.pod_identity import PodIdentity, PodIdentityArgs
from components.ingress.ingress import Ingress
from components.keys.keys import Keys
from components.models import access as model_access
from components.models.store import ModelStore
from components.network import subnets
from components.registry import access as table_access
from components.registry.api_keys import ApiKeys
from components.registry.deployments import Registry
from components.workload import labels
from components.workload.authentication import Authentication, TokenIssuer
from components.workload.autoscaling import Scaling
from components.workload.configuration import ServerSettings
from components.workload.isolation import Neighbours
from components.workload.platform_namespaces import Namespaces, NamespacesArgs
from components.workload.workload import Workload, WorkloadArgs
from contract import service
from infra.settings import Settings
from infra.settings.access import Access

MILLICORES = 1000
KEEP_ALIVE_MARGIN_SECONDS = 15
"""How much longer a pod keeps an idle connection than the load balancer does."""


def build_workload(
    settings: Settings,
    place: Place,
    account_id: str,
    keys: Keys,
    store: ModelStore,
    api_keys: ApiKeys,
    registry: Registry,
    cluster: Cluster,
    ingress: Ingress,
    cidr: str,
    zones: int,
) -> None:
    wanted = settings.workload
    names = place.names
    namespaces = Namespaces(
        names.of("namespaces"),
        NamespacesArgs(
            place=place,
            provider=cluster.provider,
            cluster=cluster.cluster,
            quota=wanted.quota.capacity,
            gpus=wanted.quota.gpus,
        ),
    )
    if settings.image is None:
        return
    identity = PodIdentity(
        names.of("inference-identity"),
        PodIdentityArgs(
            place=place,
            account_id=account_id,
            cluster_name=cluster.cluster_name,
            namespace=labels.SERVING_NAMESPACE,
            service_account=service.SERVICE_NAME,
            statements=_statements(settings, place.region, keys, store, api_keys, registry),
        ),
    )
    plan = subnets.plan(cidr, zones, settings.network.public_prefix_length, settings.network.private_prefix_length)
    Workload(
        names.of("inference"),
        WorkloadArgs(
            place=place,
            provider=cluster.provider,
            cluster=cluster.cluster,
            after=[namespaces, ingress, identity],
            image=settings.image,
            canary_image=wanted.canary_image,
            canary_replicas=wanted.canary_replicas,
            settings=ServerSettings(
                environment=settings.environment,
                log_level=settings.log_level,
                models_bucket=store.production_bucket,
                deployments_table=registry.table_name,
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
                authentication=_authentication(settings.access, api_keys),
            ),
            size=wanted.container_size,
            scaling=Scaling(
                replicas_min=wanted.autoscaling.replicas_min,
                replicas_max=wanted.autoscaling.replicas_max,
                available_min=wanted.min_available,
                cpu_percent=wanted.autoscaling.cpu_percent,
                memory_percent=wanted.autoscaling.memory_percent,
                requests_per_second=None,
                scale_up_period_seconds=wanted.autoscaling.scale_up_period_seconds,
                scale_down_period_seconds=wanted.autoscaling.scale_down_period_seconds,
            ),
            neighbours=Neighbours(load_balancer_cidrs=plan.public, vpc_cidr=cidr),
            zones=zones,
            stable_target_group_arn=ingress.stable_target_group_arn,
            canary_target_group_arn=ingress.canary_target_group_arn,
            await_rollout=wanted.await_rollout,
        ),
    )


def _statements(
    settings: Settings, region: str, keys: Keys, store: ModelStore, api_keys: ApiKeys, registry: Registry
) -> list[dict[str, Any]]:
    """What the pods may do in AWS: read their model, follow its deployment, and read the keys of callers if asked."""
    statements = model_access.reader_statements(
        bucket_arn=store.production_bucket_arn,
        key_arn=keys.data_key_arn,
        model_name=settings.workload.model_name,
        region=region,
    )
    statements += table_access.follower_statements(
        table_arn=registry.table_arns[region], key_arn=keys.data_key_arn, region=region
    )
    if settings.access.authentication == "required":
        statements += table_access.reader_statements(
            table_arn=api_keys.table_arns[region], key_arn=keys.data_key_arn, region=region
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
