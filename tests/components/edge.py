"""An edge on mocks, and what its tests look up in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from components.base import Place
from components.edge.edge import Edge, EdgeArgs
from infra.naming import Names
from localcloud.graph import Graph, Node
from tests.support.components import TAGS, graph_of

ACCOUNT = "123456789012"
NAMES = Names("serveml", "prod")
STATIC_BUCKET = f"serveml-prod-static-{ACCOUNT}"
ACCESS_LOG_BUCKET = f"serveml-prod-euw1-access-logs-{ACCOUNT}"
ARGS = EdgeArgs(
    place=Place(names=NAMES, region="eu-west-1", tags=TAGS, protect=True),
    account_id=ACCOUNT,
    domain_name="api.example.com",
    zone_id="Z1",
    origin_domain="origin.api.example.com",
    certificate_arn=f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/c",
    access_log_bucket=ACCESS_LOG_BUCKET,
    waf_log_retention_days=90,
    max_body_bytes=1_048_576,
    force_destroy=False,
)


def edge(**changes: Any) -> Graph:
    return graph_of(lambda: Edge("edge", replace(ARGS, **changes)))


def origin(distribution: Node, origin_id: str) -> dict[str, Any]:
    return next(origin for origin in distribution.inputs["origins"] if origin["originId"] == origin_id)
