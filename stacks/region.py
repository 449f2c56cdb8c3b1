"""One region of the platform: first what holds data, then what serves from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi

from components.base import Place
from components.cluster.cluster import Cluster, ClusterArgs
from components.cluster.node_pools import NodePoolArgs, general_pool, gpu_pool, spot_pool
from components.cluster.pod_identity import PodIdentity, PodIdentityArgs
from components.edge import access_logs
from components.images.registry import Images, ImagesArgs
from components.ingress.ingress import Ingress, IngressArgs
from components.keys.keys import Keys, KeysArgs
from components.models.access import reader_statements
from components.models.policies import Statement
from components.models.store import ModelStore, ModelStoreArgs
from components.network import subnets
from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from components.network.vpc import Network, NetworkArgs
from components.workload import labels
from components.workload.autoscaling import Scaling
from components.workload.configuration import ServerSettings
from components.workload.isolation import Neighbours
from components.workload.platform_namespaces import Namespaces, NamespacesArgs
from components.workload.workload import Workload, WorkloadArgs
from contract import service
from infra import tags
from infra.capacity import Capacity, ContainerSize
from infra.naming import Names
from infra.settings import Settings
from stacks.account import RegionFacts

FORWARDED_HEADER = "X-Forwarded-For"
"""Where CloudFront writes the caller's address."""
KEEP_ALIVE_MARGIN_SECONDS = 15
"""How much longer a pod keeps an idle connection than the load balancer does."""


@dataclass(frozen=True)
class DataLayer:
    """What outlives a cluster: keys, buckets and images of one region."""

    keys: Keys
    store: ModelStore
    images: Images


@dataclass(frozen=True)
class ServingLayer:
    """What serves in one region."""

    network: Network
    cluster: Cluster
    ingress: Ingress


def place_of(settings: Settings, region: str) -> Place:
    """Where and under which names and tags a region's resources are made."""
    return Place(
        names=Names(settings.project, settings.environment, region),
        region=region,
        tags=tags.standard(
            environment=settings.environment,
            project=settings.project,
            cost_center=settings.cost_center,
            owner=settings.owner,
            auto_shutdown=settings.auto_shutdown,
            data_class=settings.data_class,
        ),
        protect=settings.protect,
    )


def shared_place(settings: Settings) -> Place:
    """The place of what belongs to no region; its few regional parts lie in the primary one."""
    primary = place_of(settings, settings.pair.primary)
    return replace(primary, names=Names(settings.project, settings.environment))


def build_data(settings: Settings, region: str, account_id: str) -> DataLayer:
    place = place_of(settings, region)
    names, storage = place.names, settings.storage
    is_primary = region == settings.pair.primary
    keys = Keys(
        names.of("keys"),
        KeysArgs(place=place, account_id=account_id, deletion_window_days=storage.key_deletion_window_days),
    )
    store = ModelStore(
        names.of("store"),
        ModelStoreArgs(
            place=place,
            account_id=account_id,
            data_key_arn=keys.data_key_arn,
            logs_key_arn=keys.logs_key_arn,
            staging_retention_days=storage.staging_retention_days,
            datasets_cold_after_days=storage.datasets_cold_after_days,
            backup_retention_days=storage.backup_retention_days,
            audit_retention_days=storage.audit_retention_days,
            access_log_retention_days=storage.access_log_retention_days,
            noncurrent_retention_days=storage.noncurrent_retention_days,
            force_destroy=storage.force_destroy,
            object_lock=storage.object_lock,
            access_log_statements=_edge_logs(settings, names, account_id) if is_primary else (),
        ),
    )
    images = Images(
        names.of("images"),
        ImagesArgs(
            place=place,
            account_id=account_id,
            # The same name in both regions, for replication keeps it.
            repository=f"{settings.project}-{settings.environment}/{settings.images.repository}",
            key_arn=keys.images_key_arn,
            replicate_to=settings.pair.secondary if is_primary and settings.secondary_region else None,
            retained_images=settings.images.retained_images,
            force_destroy=storage.force_destroy,
        ),
    )
    return DataLayer(keys, store, images)


def _edge_logs(settings: Settings, names: Names, account_id: str) -> list[Statement]:
    """What lets CloudFront write its access logs beside the others."""
    if not settings.edge.enabled:
        return []
    bucket = names.bucket("access-logs", account_id)
    return [access_logs.bucket_statement(shared_place(settings).names, bucket, account_id)]


def build_serving(
    settings: Settings,
    facts: RegionFacts,
    account_id: str,
    data: DataLayer,
    certificate_arn: pulumi.Input[str] | None,
) -> ServingLayer:
    place = place_of(settings, facts.region)
    names = place.names
    cidr = str(
        settings.network.primary_cidr if facts.region == settings.pair.primary else settings.network.secondary_cidr
    )
    cluster_name = names.of("cluster")
    network = Network(
        names.of("network"),
        NetworkArgs(
            place=place,
            account_id=account_id,
            cidr=cidr,
            zones=facts.zones,
            public_prefix_length=settings.network.public_prefix_length,
            private_prefix_length=settings.network.private_prefix_length,
            nat_gateways=settings.network.nat_gateways,
            cluster_name=cluster_name,
            flow_log_bucket_arn=data.store.audit_bucket_arn,
            interface_endpoints=settings.network.interface_endpoints,
        ),
    )
    groups = SecurityGroups(
        names.of("groups"),
        SecurityGroupsArgs(
            place=place,
            vpc_id=network.vpc_id,
            vpc_cidr=cidr,
            cloudfront_prefix_list_id=facts.cloudfront_prefix_list_id,
            route53_prefix_list_id=facts.route53_prefix_list_id,
            client_cidrs=[str(client) for client in settings.ingress.client_cidrs],
            tls=settings.tls,
            pod_port=service.HTTP_PORT,
            probe_port=service.PROBE_PORT,
        ),
    )
    cluster = _cluster(settings, place, account_id, data, network, groups, facts.zones, cluster_name)
    ingress = _ingress(settings, place, data, network, groups, certificate_arn, cluster_name)
    _workload(settings, place, account_id, data, cluster, ingress, cidr, len(facts.zones))
    return ServingLayer(network, cluster, ingress)


def _cluster(
    settings: Settings,
    place: Place,
    account_id: str,
    data: DataLayer,
    network: Network,
    groups: SecurityGroups,
    zones: Sequence[str],
    cluster_name: str,
) -> Cluster:
    wanted = settings.cluster
    return Cluster(
        place.names.of("cluster"),
        ClusterArgs(
            place=place,
            cluster_name=cluster_name,
            kubernetes_version=wanted.kubernetes_version,
            account_id=account_id,
            subnet_ids=network.private_subnet_ids,
            secrets_key_arn=data.keys.cluster_key_arn,
            logs_key_arn=data.keys.logs_key_arn,
            log_retention_days=wanted.log_retention_days,
            endpoint_public_access=wanted.endpoint_public_access,
            endpoint_public_cidrs=[str(cidr) for cidr in wanted.endpoint_public_cidrs],
            admin_principal_arns=wanted.admin_principal_arns,
            pod_security_group_id=groups.pod_group_id,
            addon_versions=wanted.addon_versions,
            node_pools=_node_pools(settings, zones),
            deletion_protection=settings.protect,
            manifests_directory=wanted.manifests_directory,
        ),
    )


def _node_pools(settings: Settings, zones: Sequence[str]) -> list[NodePoolArgs]:
    pools = settings.cluster.node_pools

    wanted: list[NodePoolArgs] = []
    if (pool := pools.general).enabled:
        wanted.append(general_pool(zones=zones, cpu_limit=pool.cpu_limit, memory_limit_gib=pool.memory_limit_gib))
    if (pool := pools.spot).enabled:
        wanted.append(spot_pool(zones=zones, cpu_limit=pool.cpu_limit, memory_limit_gib=pool.memory_limit_gib))
    if (pool := pools.gpu).enabled:
        gpus = settings.workload.quota.gpus
        wanted.append(
            gpu_pool(zones=zones, cpu_limit=pool.cpu_limit, memory_limit_gib=pool.memory_limit_gib, gpu_limit=gpus)
        )
    return wanted


def _ingress(
    settings: Settings,
    place: Place,
    data: DataLayer,
    network: Network,
    groups: SecurityGroups,
    certificate_arn: pulumi.Input[str] | None,
    cluster_name: str,
) -> Ingress:
    wanted = settings.ingress
    return Ingress(
        place.names.of("ingress"),
        IngressArgs(
            place=place,
            load_balancer_name=place.names.load_balancer(),
            vpc_id=network.vpc_id,
            subnet_ids=network.public_subnet_ids,
            security_group_ids=groups.load_balancer_group_ids,
            certificate_arn=certificate_arn,
            cluster_name=cluster_name,
            access_log_bucket=data.store.access_log_bucket,
            deletion_protection=settings.protect,
            pod_port=service.HTTP_PORT,
            probe_port=service.PROBE_PORT,
            health_path=service.HEALTH_PATH,
            health_interval_seconds=wanted.health_interval_seconds,
            health_timeout_seconds=wanted.health_timeout_seconds,
            healthy_threshold=wanted.healthy_threshold,
            unhealthy_threshold=wanted.unhealthy_threshold,
            deregistration_delay_seconds=settings.workload.drain_seconds,
            canary_weight_percent=wanted.canary_weight,
            idle_timeout_seconds=wanted.idle_timeout_seconds,
            max_body_bytes=settings.workload.max_body_bytes,
            rate_limit_per_5_minutes=wanted.rate_limit_per_5_minutes,
            forwarded_by=FORWARDED_HEADER if settings.edge.enabled else None,
            hidden_paths=[service.METRICS_PATH],
            log_key_arn=data.keys.logs_key_arn,
            waf_log_retention_days=settings.edge.waf_log_retention_days,
        ),
    )


def _workload(
    settings: Settings,
    place: Place,
    account_id: str,
    data: DataLayer,
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
            quota=Capacity(
                cpu_requests_millicores=wanted.quota.cpu_request_cores * 1000,
                cpu_limits_millicores=wanted.quota.cpu_limit_cores * 1000,
                memory_requests_mib=wanted.quota.memory_request_gib * 1024,
                memory_limits_mib=wanted.quota.memory_limit_gib * 1024,
            ),
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
            statements=reader_statements(
                bucket_arn=data.store.production_bucket_arn,
                key_arn=data.keys.data_key_arn,
                model_name=wanted.model_name,
                region=place.region,
            ),
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
                models_bucket=data.store.production_bucket,
                model_name=wanted.model_name,
                model_version=wanted.model_version,
                max_body_bytes=wanted.max_body_bytes,
                drain_seconds=wanted.drain_seconds,
                refresh_seconds=wanted.refresh_seconds,
                keep_alive_seconds=settings.ingress.idle_timeout_seconds + KEEP_ALIVE_MARGIN_SECONDS,
            ),
            size=ContainerSize(
                cpu_request_millicores=wanted.cpu_request_millicores,
                cpu_limit_millicores=wanted.cpu_limit_millicores,
                memory_request_mib=wanted.memory_request_mib,
                memory_limit_mib=wanted.memory_limit_mib,
            ),
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
