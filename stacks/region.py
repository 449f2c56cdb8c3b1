"""One region of the platform: first what holds data, then what serves from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.topic import AlarmTopic, AlarmTopicArgs
from components.base import Place
from components.cluster.cluster import Cluster, ClusterArgs
from components.cluster.node_pools import NodePoolArgs, general_pool, gpu_pool, spot_pool
from components.edge import access_logs
from components.images.registry import Images, ImagesArgs
from components.ingress.ingress import Ingress, IngressArgs
from components.keys.keys import Keys, KeysArgs
from components.models.policies import Statement
from components.models.store import ModelStore, ModelStoreArgs
from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from components.network.vpc import Network, NetworkArgs
from components.registry.api_keys import ApiKeys
from components.registry.deployments import Registry
from components.secrets.secrets import Secrets, SecretsArgs
from contract import service
from infra.naming import Names
from infra.settings import Settings
from stacks.account import RegionFacts
from stacks.isolation import build_isolation
from stacks.observability import build_observability
from stacks.places import place_of, shared_place
from stacks.site import Site
from stacks.workload import build_namespaces, build_workload

FORWARDED_HEADER = "X-Forwarded-For"
"""Where CloudFront writes the caller's address."""


@dataclass(frozen=True)
class DataLayer:
    """What outlives a cluster: keys, buckets, secrets, images and the topic of alarms of one region."""

    keys: Keys
    store: ModelStore
    secrets: Secrets
    images: Images
    controller_images: Images | None
    """Where the canary controller runs: in the primary region."""
    alarm_topic: AlarmTopic


@dataclass(frozen=True)
class ServingLayer:
    """What serves in one region."""

    network: Network
    cluster: Cluster
    ingress: Ingress


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
    secrets = Secrets(
        names.of("secrets"),
        SecretsArgs(place=place, key_arn=keys.data_key_arn, recovery_window_days=storage.secret_recovery_window_days),
    )

    def repository(what: str, name: str, replicate_to: str | None) -> Images:
        return Images(
            names.of(what),
            ImagesArgs(
                place=place,
                account_id=account_id,
                # The same name in both regions, for replication keeps it.
                repository=f"{settings.project}-{settings.environment}/{name}",
                key_arn=keys.images_key_arn,
                replicate_to=replicate_to,
                retained_images=settings.images.retained_images,
                force_destroy=storage.force_destroy,
            ),
        )

    other = settings.pair.secondary if is_primary and settings.secondary_region else None
    images = repository("images", settings.images.repository, other)
    controller_images = (
        repository("controller-images", settings.images.controller_repository, None) if is_primary else None
    )
    alarm_topic = AlarmTopic(
        names.of("alarm-topic"), AlarmTopicArgs(place=place, account_id=account_id, key_arn=keys.logs_key_arn)
    )
    return DataLayer(keys, store, secrets, images, controller_images, alarm_topic)


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
    api_keys: ApiKeys,
    registry: Registry,
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
    site = Site(
        settings=settings,
        place=place,
        account_id=account_id,
        keys=data.keys,
        store=data.store,
        api_keys=api_keys,
        registry=registry,
        secrets=data.secrets,
        alarm_topic_arn=data.alarm_topic.topic_arn,
        cluster=cluster,
        ingress=ingress,
        cidr=cidr,
        zones=len(facts.zones),
    )
    namespaces = build_namespaces(site)
    isolation = build_isolation(site, namespaces, groups.pod_group_id)
    build_observability(site, [namespaces, isolation])
    if settings.image is not None:
        build_workload(site, namespaces, settings.image)
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
