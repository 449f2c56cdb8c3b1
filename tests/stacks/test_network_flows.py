"""What the network policies of each stack's clusters allow together, and the page that shows it."""

from __future__ import annotations

import pytest

from components.isolation import table
from localcloud import network_flows
from localcloud.graph import Graph
from tests.stacks.conftest import build


def test_every_flow_between_pods_is_allowed_at_both_ends(graph: Graph) -> None:
    for region, policies in network_flows.policies(graph).items():
        assert table.one_sided(policies) == [], region


@pytest.mark.xdist_group("prod")
def test_the_page_shows_what_prod_allows() -> None:
    assert network_flows.page(build("prod")) == network_flows.PAGE.read_text(), "run `make reference`"


@pytest.mark.xdist_group("prod")
def test_a_second_region_has_as_many_flows_as_the_first_but_for_the_canary_controllers() -> None:
    controller = "monitoring/canary-controller"
    flows = [table.rows(policies) for policies in network_flows.policies(build("prod")).values()]
    others = [[row for row in rows if controller not in (row.source, row.target)] for rows in flows]
    assert len(others[0]) == len(others[1])
    assert sorted(len(rows) > len(rest) for rows, rest in zip(flows, others, strict=True)) == [False, True]
