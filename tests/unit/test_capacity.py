"""The quota arithmetic: the numbers of the specification, and what is said where they collide."""

from __future__ import annotations

import pytest

from infra.capacity import Capacity, ContainerSize, InvalidSize, fits, needed, pods_at_full_scale

SERVER = ContainerSize(
    cpu_request_millicores=500, cpu_limit_millicores=2000, memory_request_mib=512, memory_limit_mib=2048
)
QUOTA = Capacity(
    cpu_requests_millicores=20_000,
    memory_requests_mib=40 * 1024,
    cpu_limits_millicores=40_000,
    memory_limits_mib=80 * 1024,
)


def test_a_rollout_at_full_scale_runs_one_pod_more_and_a_canary_one_more_of_its_own() -> None:
    assert pods_at_full_scale(replicas_max=20, canary_replicas=0) == 21
    assert pods_at_full_scale(replicas_max=20, canary_replicas=2) == 24


def test_what_is_needed_is_each_figure_of_the_container_times_the_pods() -> None:
    assert needed(replicas_max=20, canary_replicas=2, container=SERVER) == Capacity(
        cpu_requests_millicores=12_000,
        memory_requests_mib=12_288,
        cpu_limits_millicores=48_000,
        memory_limits_mib=49_152,
    )


def test_twenty_replicas_at_two_cpus_do_not_fit_forty_cpus_once_one_surges() -> None:
    assert fits(needed(replicas_max=20, canary_replicas=0, container=SERVER), QUOTA) == [
        "the CPU limits at full scale come to 42000 millicores with surge and canary, 2000 millicores more than the "
        "quota's 40000: raise the quota to 42000 millicores, or lower the most replicas or what each may use"
    ]


def test_a_quota_filled_to_the_last_millicore_fits() -> None:
    assert fits(needed(replicas_max=19, canary_replicas=0, container=SERVER), QUOTA) == []


def test_every_figure_that_is_short_is_told_at_once() -> None:
    shortfalls = fits(needed(replicas_max=200, canary_replicas=1, container=SERVER), QUOTA)

    assert [message.split(" at full scale")[0] for message in shortfalls] == [
        "the CPU requests",
        "the memory requests",
        "the CPU limits",
        "the memory limits",
    ]


@pytest.mark.parametrize(("request_", "limit"), [(0, 2000), (2001, 2000), (-1, 2000)])
def test_a_request_above_its_limit_or_of_nothing_is_refused(request_: int, limit: int) -> None:
    with pytest.raises(InvalidSize, match=f"CPU request of {request_} millicores .* limit of {limit} millicores"):
        ContainerSize(
            cpu_request_millicores=request_, cpu_limit_millicores=limit, memory_request_mib=1, memory_limit_mib=1
        )
