"""Which AWS regions a residency may use, and the short codes that names carry.

Data never leaves the pair of its residency: a stack names a residency, not regions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GLOBAL_REGION = "us-east-1"
"""Where CloudFront reads its certificate and Web ACL, and where Route 53 publishes its health metrics."""


class Residency(StrEnum):
    """Where a customer's data may lie. It does not say where the callers are."""

    US = "us"
    EU = "eu"
    APAC = "apac"


@dataclass(frozen=True)
class RegionPair:
    primary: str
    secondary: str


PAIRS: dict[Residency, RegionPair] = {
    Residency.US: RegionPair("us-east-1", "us-west-2"),
    Residency.EU: RegionPair("eu-west-1", "eu-central-1"),
    Residency.APAC: RegionPair("ap-southeast-1", "ap-northeast-1"),
}

# Long names do not fit a load balancer's 32 characters, so names carry these codes.
CODES: dict[str, str] = {
    "us-east-1": "use1",
    "us-west-2": "usw2",
    "eu-west-1": "euw1",
    "eu-central-1": "euc1",
    "ap-southeast-1": "apse1",
    "ap-northeast-1": "apne1",
}


def code(region: str) -> str:
    """The short code of a region of one of the pairs; KeyError for any other region."""
    return CODES[region]
