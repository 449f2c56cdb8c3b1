"""Which pods of a region's cluster may speak to which: their network policies, and what their security groups pass."""

from __future__ import annotations

import pulumi

from components.isolation.isolation import Isolation, IsolationArgs
from components.isolation.platform import Watched
from components.network import subnets
from components.network.system_pool import SystemPoolRules, SystemPoolRulesArgs
from components.workload.platform_namespaces import Namespaces
from stacks.controller import runs_controller
from stacks.site import Site


def build_isolation(site: Site, namespaces: Namespaces, pod_group_id: pulumi.Input[str]) -> Isolation:
    """The policies, and the rules between the security groups that the same flows need."""
    isolation = Isolation(
        site.place.names.of("isolation"),
        IsolationArgs(
            place=site.place,
            provider=site.cluster.provider,
            cluster=site.cluster.cluster,
            after=[namespaces],
            watched=_watched(site),
        ),
    )
    SystemPoolRules(
        site.place.names.of("system-pool"),
        SystemPoolRulesArgs(
            place=site.place,
            pod_group_id=pod_group_id,
            cluster_group_id=site.cluster.cluster_security_group_id,
            into_pods=isolation.system_pool_to_pods,
            out_of_pods=isolation.pods_to_system_pool,
        ),
    )
    return isolation


def _watched(site: Site) -> Watched | None:
    wanted, network = site.settings.observability, site.settings.network
    if wanted.level == "off":
        return None
    plan = subnets.plan(site.cidr, site.zones, network.public_prefix_length, network.private_prefix_length)
    return Watched(
        private_cidrs=plan.private,
        interface_services=network.interface_endpoints,
        replicated=wanted.level == "full",
        traces=wanted.level == "full",
        metrics_adapter=wanted.adapter_image is not None,
        canary_controller=runs_controller(site),
    )
