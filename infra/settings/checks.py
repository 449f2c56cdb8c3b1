"""Which settings make sense together. Each check returns the problems it finds; none raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network

from infra.capacity import fits, needed
from infra.naming import BUCKET_MAX, LOAD_BALANCER_MAX, ROLE_MAX, Names
from infra.settings.errors import Problem
from infra.settings.model import Environment, Settings

Problems = Iterator[Problem]

# The longest last parts among the names that the platform gives to resources of these kinds.
LONGEST_BUCKET_KIND = "models-production"
LONGEST_ROLE_PART = "monitoring-canary-controller"
ACCOUNT_ID_EXAMPLE = "0" * 12

_TOKEN_SETTINGS = ("token_issuer", "token_audience", "token_keys_url")


def check(settings: Settings) -> list[Problem]:
    """Every problem between settings that are each valid alone."""
    return [problem for find in _CHECKS for problem in find(settings)]


def _problem(key: str, message: str) -> Problem:
    return Problem(f"serveml:{key}", message)


def _production_is_redundant(s: Settings) -> Problems:
    if s.environment is not Environment.PROD:
        return
    if not s.secondary_region:
        yield _problem(
            "secondary_region",
            "false was given; prod runs in two regions at all times: remove the key or set it to true",
        )
    if s.network.zones != 3:
        yield _problem("network.zones", f"{s.network.zones} was given; prod spans 3 zones: remove the key")
    if s.network.nat_gateways != "per_zone":
        yield _problem("network.nat_gateways", "'single' was given; prod has one per zone: remove the key")
    if not s.protect:
        yield _problem("protect", "false was given; prod protects its data stores: remove the key")


def _address_ranges_do_not_overlap(s: Settings) -> Problems:
    primary, secondary = s.network.primary_cidr, s.network.secondary_cidr
    if ip_network(str(primary)).overlaps(ip_network(str(secondary))):
        yield _problem(
            "network.secondary_cidr",
            f"{secondary} overlaps network.primary_cidr {primary}; "
            "give each region a range of its own, such as 10.1.0.0/16",
        )


def _subnets_fit(s: Settings) -> Problems:
    for field in ("primary_cidr", "secondary_cidr"):
        cidr = ip_network(str(getattr(s.network, field)))
        if cidr.version != 4 or not cidr.is_private:
            yield _problem(f"network.{field}", f"{cidr} was given; use a private IPv4 range, such as 10.0.0.0/16")
            continue
        if not 16 <= cidr.prefixlen <= 24:
            yield _problem(f"network.{field}", f"{cidr} was given; a VPC here is a /16 to a /24")
            continue
        wanted = s.network.zones * (
            2 ** (32 - s.network.public_prefix_length) + 2 ** (32 - s.network.private_prefix_length)
        )
        if wanted > cidr.num_addresses:
            yield _problem(
                f"network.{field}",
                f"{cidr} has {cidr.num_addresses} addresses and {s.network.zones} zones of a "
                f"/{s.network.public_prefix_length} and a /{s.network.private_prefix_length} need {wanted}; "
                "widen the range or narrow the subnets",
            )


def _tls_is_on_where_it_must_be(s: Settings) -> Problems:
    if s.tls:
        return
    if s.environment not in (Environment.DEV, Environment.LOCAL):
        yield _problem(
            "tls", f"false was given; only dev and local may do without TLS, not {s.environment}: remove the key"
        )
    if s.edge.enabled:
        yield _problem(
            "edge.enabled", "true with tls off; the edge reaches its origin over TLS only: set tls or turn the edge off"
        )


def _callers_can_reach_the_api(s: Settings) -> Problems:
    if not s.edge.enabled and not s.ingress.client_cidrs:
        yield _problem(
            "ingress.client_cidrs",
            "is empty and edge.enabled is false, so nobody could reach the API; list the address ranges of the callers",
        )
    if s.edge.enabled and s.ingress.client_cidrs:
        yield _problem(
            "ingress.client_cidrs",
            "was given with the edge on, which it would bypass; remove it or turn edge.enabled off",
        )


def _callers_authenticate_where_they_must(s: Settings) -> Problems:
    if s.access.authentication == "required":
        return
    if s.environment not in (Environment.DEV, Environment.LOCAL):
        yield _problem(
            "access.authentication",
            f"'off' was given; only dev and local may let everybody call, not {s.environment}: remove the key",
        )
    for field in ("model_requests_per_minute", *_TOKEN_SETTINGS):
        if getattr(s.access, field):
            yield _problem(
                f"access.{field}",
                "was given with access.authentication off, which takes every call uncounted: "
                "remove it or require authentication",
            )


def _token_settings_come_together(s: Settings) -> Problems:
    missing = [field for field in _TOKEN_SETTINGS if getattr(s.access, field) is None]
    if 0 < len(missing) < len(_TOKEN_SETTINGS):
        given = ", ".join(field for field in _TOKEN_SETTINGS if field not in missing)
        for field in missing:
            yield _problem(f"access.{field}", f"is not set and {given} is; tokens need all three: set it")


def _limited_models_are_served(s: Settings) -> Problems:
    for model in s.access.model_requests_per_minute:
        if model != s.workload.model_name:
            yield _problem(
                "access.model_requests_per_minute",
                f"limits {model!r}, which no pod serves; "
                f"name {s.workload.model_name!r}, which is workload.model_name, or remove it",
            )


def _cluster_endpoint_is_restricted(s: Settings) -> Problems:
    cidrs = [str(cidr) for cidr in s.cluster.endpoint_public_cidrs]
    if s.cluster.endpoint_public_access and not cidrs:
        yield _problem(
            "cluster.endpoint_public_cidrs",
            "is empty with endpoint_public_access on; list the ranges that may reach the API",
        )
    if "0.0.0.0/0" in cidrs:
        yield _problem("cluster.endpoint_public_cidrs", "holds 0.0.0.0/0, the whole Internet; list narrower ranges")
    if cidrs and not s.cluster.endpoint_public_access:
        yield _problem(
            "cluster.endpoint_public_cidrs",
            "was given with endpoint_public_access off; turn it on or remove the ranges",
        )


def _health_checks_end_before_the_next(s: Settings) -> Problems:
    if s.ingress.health_timeout_seconds >= s.ingress.health_interval_seconds:
        yield _problem(
            "ingress.health_timeout_seconds",
            f"{s.ingress.health_timeout_seconds} was given; it must be below health_interval_seconds "
            f"({s.ingress.health_interval_seconds})",
        )


def _static_ttls_ascend(s: Settings) -> Problems:
    low, middle, high = s.edge.static_min_ttl_seconds, s.edge.static_default_ttl_seconds, s.edge.static_max_ttl_seconds
    if not low <= middle <= high:
        yield _problem(
            "edge.static_default_ttl_seconds", f"min {low}, default {middle}, max {high} were given; they must ascend"
        )


def _weights_send_traffic_somewhere(s: Settings) -> Problems:
    weights = s.failover.primary_weight + (s.failover.secondary_weight if s.secondary_region else 0)
    if weights == 0:
        yield _problem("failover.primary_weight", "no running region has a weight above 0; give one of them a weight")
    if s.failover.secondary_weight and not s.secondary_region:
        yield _problem(
            "failover.secondary_weight",
            f"{s.failover.secondary_weight} was given and secondary_region is false; "
            "run the region or remove the weight",
        )


def _canary_has_an_image(s: Settings) -> Problems:
    if s.ingress.canary_weight and s.workload.canary_image is None:
        yield _problem(
            "ingress.canary_weight",
            f"{s.ingress.canary_weight} was given without workload.canary_image; "
            "those requests would find no pod: set the image",
        )
    if s.workload.canary_image is not None and s.image is None:
        yield _problem("workload.canary_image", "was given without image; a canary needs a stable image beside it")


def _pods_fit_the_quota(s: Settings) -> Problems:
    w = s.workload
    scaling = w.autoscaling
    if scaling.replicas_min > scaling.replicas_max:
        yield _problem(
            "workload.autoscaling.replicas_min",
            f"{scaling.replicas_min} was given; it must not be above replicas_max ({scaling.replicas_max})",
        )
    if w.min_available >= scaling.replicas_min:
        yield _problem(
            "workload.min_available",
            f"{w.min_available} was given; it must be below autoscaling.replicas_min ({scaling.replicas_min}), "
            "or no node could ever be drained",
        )
    for name, request, limit in (
        ("cpu_request_millicores", w.cpu_request_millicores, w.cpu_limit_millicores),
        ("memory_request_mib", w.memory_request_mib, w.memory_limit_mib),
    ):
        if request > limit:
            yield _problem(f"workload.{name}", f"{request} was given; a request must not be above its limit ({limit})")
            return
    at_full_scale = needed(
        replicas_max=scaling.replicas_max, canary_replicas=w.canary_replicas, container=w.container_size
    )
    for shortfall in fits(at_full_scale, w.quota.capacity):
        yield _problem("workload.quota", shortfall)


def _who_asks_prometheus_has_one(s: Settings) -> Problems:
    if s.observability.level != "off":
        return
    for field in ("adapter_image", "controller_image"):
        if getattr(s.observability, field) is not None:
            yield _problem(
                f"observability.{field}",
                "was given with level off, so there is no Prometheus that it could ask: "
                "raise the level or remove the image",
            )


def _gpu_pool_has_a_quota(s: Settings) -> Problems:
    if s.cluster.node_pools.gpu.enabled and s.workload.quota.gpus == 0:
        yield _problem(
            "workload.quota.gpus",
            "is 0 and the GPU node pool is on, so no pod could use it; raise the quota or turn the pool off",
        )


def _audit_lock_keeps_its_objects(s: Settings) -> Problems:
    if s.storage.object_lock and s.storage.force_destroy:
        yield _problem(
            "storage.force_destroy",
            "true was given with object_lock on; locked logs cannot be deleted: turn one of them off",
        )


def _names_fit(s: Settings) -> Problems:
    names = [Names(s.project, s.environment, region) for region in s.regions]
    bounds = [
        ("load balancer", LOAD_BALANCER_MAX, [n.prefix for n in names]),
        ("bucket", BUCKET_MAX, [n.of(LONGEST_BUCKET_KIND, ACCOUNT_ID_EXAMPLE) for n in names]),
        ("IAM role", ROLE_MAX, [n.of(LONGEST_ROLE_PART) for n in names]),
    ]
    for what, limit, candidates in bounds:
        longest = max(candidates, key=len)
        if len(longest) > limit:
            yield _problem(
                "project",
                f"{s.project!r} makes the {what} name {longest!r} {len(longest)} characters long, AWS allows {limit}; "
                f"shorten project by {len(longest) - limit}",
            )


_CHECKS: tuple[Callable[[Settings], Problems], ...] = (
    _production_is_redundant,
    _address_ranges_do_not_overlap,
    _subnets_fit,
    _tls_is_on_where_it_must_be,
    _callers_can_reach_the_api,
    _callers_authenticate_where_they_must,
    _token_settings_come_together,
    _limited_models_are_served,
    _cluster_endpoint_is_restricted,
    _health_checks_end_before_the_next,
    _static_ttls_ascend,
    _weights_send_traffic_somewhere,
    _canary_has_an_image,
    _pods_fit_the_quota,
    _who_asks_prometheus_has_one,
    _gpu_pool_has_a_quota,
    _audit_lock_keeps_its_objects,
    _names_fit,
)
