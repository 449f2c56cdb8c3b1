"""Processes that change one deployment at the same time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from contract.deployment import Deployment, Weight, replace
from contract.objects import Version
from ops.rollout.lease import Leases
from ops.rollout.records import Records
from tests.lifecycle.table import TABLE, V1, dynamodb_at

PATIENCE_SECONDS = 600


def write_together(endpoint: str, deployment_id: str, writers: int, changes_each: int) -> list[list[int]]:
    """By writer: the revisions that its changes became, in the order in which it made them."""
    return _together(write, endpoint, deployment_id, writers, changes_each)


def take_turns_together(endpoint: str, deployment_id: str, holders: int, turns_each: int) -> list[list[int]]:
    """By holder: the numbers of the leases that it got, in their order."""
    return _together(take_turns, endpoint, deployment_id, holders, turns_each)


def write(endpoint: str, deployment_id: str, writer: int, changes: int) -> list[int]:
    records = Records(dynamodb_at(endpoint), TABLE)

    def change(number: int) -> int:
        def count_up(before: Deployment) -> Deployment:
            return counted_up(before, writer)

        made = records.change(deployment_id, count_up, by=f"writer-{writer}", action="set", reason=f"{writer}/{number}")
        return made.revision

    return [change(number) for number in range(changes)]


def counted_up(before: Deployment, writer: int) -> Deployment:
    """Depends on all that was written before: the version's minor number counts the changes, its patch says whose."""
    count = before.stable.minor + 1 if before.stable != V1 else 1
    after = Version(1, count, writer)
    return replace(before, stable=after, weights=(Weight(version=after, percent=100),))


def take_turns(endpoint: str, deployment_id: str, holder: int, turns: int) -> list[int]:
    """Take the lease so many times from the others, each time for one change that its number is the reason of."""
    dynamodb = dynamodb_at(endpoint)
    records = Records(dynamodb, TABLE)
    # Nobody dies: nothing is to be taken over, however slow the machine.
    leases = Leases(dynamodb, TABLE, records.tenant, seconds=PATIENCE_SECONDS)
    tokens: list[int] = []
    while len(tokens) < turns:
        lease = leases.acquire(deployment_id, f"holder-{holder}")
        if lease is None:
            continue
        records.change(
            deployment_id,
            lambda before: counted_up(before, holder),
            by=lease.holder,
            action="set",
            reason=str(lease.token),
            lease=lease,
        )
        tokens.append(lease.token)
        leases.release(lease)
    return tokens


def _together(
    work: Callable[[str, str, int, int], list[int]], endpoint: str, deployment_id: str, processes: int, times: int
) -> list[list[int]]:
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(work, endpoint, deployment_id, number, times) for number in range(processes)]
        return [future.result(PATIENCE_SECONDS) for future in running]
