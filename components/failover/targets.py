"""The regions that the origin's name may answer with, and the rules that Route 53 sets for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra import regions
from infra.errors import InvalidInput

# A weight is one byte (Route 53 developer guide, "Values specific for weighted alias records").
WEIGHT_MAX = 255

# The two intervals that Route 53 sells, and its range of thresholds (API reference, HealthCheckConfig).
CHECK_INTERVALS_SECONDS = (10, 30)
FAILURE_THRESHOLD_MAX = 10


class InvalidFailover(InvalidInput):
    """Targets or a health check that Route 53 would refuse, or that could not answer; the message says the remedy."""


@dataclass(frozen=True, kw_only=True)
class FailoverTarget:
    """One region's load balancer. `regional_domain` is a name of this region alone that its certificate covers."""

    region: str
    load_balancer_dns_name: pulumi.Input[str]
    load_balancer_zone_id: pulumi.Input[str]
    weight: int
    regional_domain: str

    @property
    def region_code(self) -> str:
        return regions.code(self.region)


def check_targets(origin_domain: str, targets: Sequence[FailoverTarget]) -> None:
    """Raise InvalidFailover unless these targets can share `origin_domain`."""
    if not targets:
        raise InvalidFailover(f"no region answers for {origin_domain!r}: give at least one target")
    for what, values in (
        ("region", [target.region for target in targets]),
        ("regional domain", [target.regional_domain for target in targets]),
    ):
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            raise InvalidFailover(f"the {what} {repeated[0]!r} is given twice: each target needs one of its own")
    for target in targets:
        if target.region not in regions.CODES:
            raise InvalidFailover(
                f"the region {target.region!r} is not one of {', '.join(regions.CODES)}: use one of them"
            )
        if not 0 <= target.weight <= WEIGHT_MAX:
            raise InvalidFailover(
                f"the weight {target.weight} of {target.region} is out of range: use 0 to {WEIGHT_MAX}"
            )
        if target.regional_domain == origin_domain:
            raise InvalidFailover(
                f"the regional domain of {target.region} is the origin's own name {origin_domain!r}: "
                "give a name that only this region answers, or its health check would measure the other region too"
            )
    # Weights that are all 0 would spread the traffic evenly, which nobody who writes 0 means.
    if all(target.weight == 0 for target in targets):
        raise InvalidFailover("every weight is 0: give the region that should take the traffic a weight, such as 100")


def check_probe(interval_seconds: int, failure_threshold: int) -> None:
    """Raise InvalidFailover unless Route 53 offers this interval and threshold."""
    if interval_seconds not in CHECK_INTERVALS_SECONDS:
        raise InvalidFailover(
            f"a health check every {interval_seconds} s is not offered by Route 53: "
            f"use {' or '.join(str(seconds) for seconds in CHECK_INTERVALS_SECONDS)}"
        )
    if not 1 <= failure_threshold <= FAILURE_THRESHOLD_MAX:
        raise InvalidFailover(
            f"a failure threshold of {failure_threshold} is out of range: use 1 to {FAILURE_THRESHOLD_MAX}"
        )
