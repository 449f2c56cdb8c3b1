"""The cluster that KUBECONFIG names, with the production stack's objects on it.

Only a run that names this folder (`make test-cluster`) touches a cluster; any other skips what would need one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import nodes
from tests.cluster.api import Api, Object, proxied
from tests.cluster.installation import DISPOSABLE, Installation, InUse, install, refuse_a_cluster_in_use, remove
from tests.cluster.objects import Rendered, rendered
from tests.stacks.conftest import build

STACK = "prod"
_FOLDER = Path(__file__).parent
_NEEDS_CLUSTER = "kubectl"
"""The fixture that whatever touches a cluster starts from."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The production stack, and the cluster that it was put on."""

    api: Api
    kubectl: str
    wanted: Rendered
    installation: Installation


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reason = _why_not(config)
    if reason is None:
        return
    for item in items:
        if _FOLDER in item.path.parents and _NEEDS_CLUSTER in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=reason))


def _why_not(config: pytest.Config) -> str | None:
    named = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    if not any(path == _FOLDER or _FOLDER in path.parents for path in named):
        return "changes the cluster that KUBECONFIG names, so it runs by `make test-cluster` alone"
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG is not set: name a cluster that may be changed (docs/testing.md)"
    if shutil.which("kubectl") is None:
        return "kubectl is not on the path: install it (https://kubernetes.io/docs/tasks/tools/)"
    return None


@pytest.fixture(scope="session")
def wanted() -> Rendered:
    """What the production stack makes for one region's cluster."""
    return rendered(build(STACK))


@pytest.fixture(scope="session")
def kubectl() -> str:
    found = shutil.which("kubectl")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def api(kubectl: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Api]:
    with proxied(kubectl, tmp_path_factory.mktemp("kubectl") / "proxy.log") as found:
        yield found


@pytest.fixture(scope="session")
def simulated_nodes(api: Api, wanted: Rendered) -> Generator[Sequence[Object]]:
    """Nodes of kwok's, in the pools of Auto Mode; none where the cluster has too few. First of all, the cluster is
    asked whether it does real work."""
    try:
        refuse_a_cluster_in_use(api, wanted, disposable=os.environ.get(DISPOSABLE) == "1")
    except InUse as refusal:
        pytest.exit(str(refusal), returncode=2)
    found = nodes.simulated(api)
    if not nodes.are_enough(found):
        yield []
        return
    with nodes.in_pools(api, found):
        yield found


@pytest.fixture(scope="session")
def cluster(api: Api, kubectl: str, wanted: Rendered, simulated_nodes: Sequence[Object]) -> Generator[Cluster]:
    """The cluster with the stack on it; taken off again afterwards."""
    # Pods are spread over the nodes that there are: the pools stand first, as in Auto Mode.
    del simulated_nodes
    installation = Installation()
    try:
        install(api, kubectl, wanted, installation)
        yield Cluster(api=api, kubectl=kubectl, wanted=wanted, installation=installation)
    finally:
        remove(api, installation.made)


# As wide as the widest of those that need pods: where there can be none, nothing is waited for.
@pytest.fixture(scope="session")
def pods_run(simulated_nodes: Sequence[Object]) -> None:
    """For tests that need pods to get ready."""
    if not simulated_nodes:
        pytest.skip(
            f"the cluster has no nodes simulated by kwok in {nodes.ZONES_NEEDED} zones, two in each: "
            "real nodes would have to run the serving image"
        )
