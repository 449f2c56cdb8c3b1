"""How nodes are replaced: a few at a time, at any hour, and never waiting for ever."""

from __future__ import annotations

import re
from typing import Any

import pytest

from components.cluster import addons
from components.cluster.node_pools import (
    MAX_NODE_HOURS,
    InvalidNodePool,
    NodePoolArgs,
    general_pool,
    gpu_pool,
    node_pool,
    spot_pool,
)

ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")
POOLS = (
    general_pool(zones=ZONES, cpu_limit=100, memory_limit_gib=200),
    spot_pool(zones=ZONES, cpu_limit=64, memory_limit_gib=256),
    gpu_pool(zones=ZONES, cpu_limit=32, memory_limit_gib=128, gpu_limit=4),
)

# Forms of kubernetes-sigs/karpenter, pkg/apis/crds/karpenter.sh_nodepools.yaml, version v1.
DURATION = re.compile(r"([0-9]+(s|m|h))+")
SHARE = re.compile(r"(100|[0-9]{1,2})%")


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.name)
def test_the_fields_have_the_forms_that_karpenter_takes(pool: NodePoolArgs) -> None:
    spec = node_pool(pool)["spec"]
    template, disruption = spec["template"]["spec"], spec["disruption"]

    for duration in (template["expireAfter"], template["terminationGracePeriod"], disruption["consolidateAfter"]):
        assert DURATION.fullmatch(duration)
    assert disruption["consolidationPolicy"] in ("WhenEmpty", "WhenEmptyOrUnderutilized")
    assert all(SHARE.fullmatch(budget["nodes"]) for budget in disruption["budgets"])


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.name)
def test_newer_images_reach_nodes_at_any_hour(pool: NodePoolArgs) -> None:
    # A budget of nothing, or one on a schedule, would let nodes grow old together and expire together.
    budgets = node_pool(pool)["spec"]["disruption"]["budgets"]

    assert [set(budget) for budget in budgets] == [{"nodes"}]
    assert budgets[0]["nodes"] != "0%"


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.name)
def test_a_drain_ends_within_a_node_life(pool: NodePoolArgs) -> None:
    template = node_pool(pool)["spec"]["template"]["spec"]
    grace_hours = int(template["terminationGracePeriod"].removesuffix("m")) / 60

    assert grace_hours > 0
    assert int(template["expireAfter"].removesuffix("h")) + grace_hours <= MAX_NODE_HOURS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"termination_grace_minutes": 0}, "termination_grace_minutes is 0: give at least 1"),
        ({"consolidate_after_seconds": -1}, "consolidate_after_seconds is -1: give 0 or more"),
    ],
)
def test_a_pause_that_karpenter_would_refuse_is_told(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidNodePool, match=said):
        NodePoolArgs(**{**vars(POOLS[0]), **change})


def test_each_caller_gets_a_system_pool_placement_of_its_own() -> None:
    first = addons.system_pool_placement()
    first["nodeSelector"]["changed"] = "yes"

    assert addons.system_pool_placement() == addons.configuration(addons.METRICS_SERVER)
    assert "changed" not in addons.system_pool_placement()["nodeSelector"]
