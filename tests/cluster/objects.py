"""The Kubernetes objects that the program makes for one region's cluster, and where the API server keeps each."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from localcloud.graph import SECRET, Graph
from tests.cluster.api import Api, Object

NAMESPACE = "Namespace"
DEFINITION = "CustomResourceDefinition"
API_SERVICE = "APIService"


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The objects of one cluster, in the order in which the program registers them: what is needed comes first."""

    objects: Sequence[Object]

    def of_kind(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] in kinds]

    def others(self, *kinds: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] not in kinds]

    def one(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """The one object of that name; LookupError where there is none, or where the namespace has to be told."""
        found = [
            item
            for item in self.of_kind(kind)
            if item["metadata"]["name"] == name and namespace in (None, namespace_of(item))
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} objects of kind {kind} are called {name!r}")
        return found[0]

    @property
    def namespaces(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.of_kind(NAMESPACE)]


def rendered(graph: Graph) -> Rendered:
    """What goes to the first of the stack's clusters."""
    nodes = [node for node in graph if node.is_kubernetes]
    first = nodes[0].provider
    return Rendered(objects=[_object(dict(node.inputs)) for node in nodes if node.provider == first])


def namespace_of(item: Object) -> str | None:
    return item["metadata"].get("namespace")


def title(item: Object) -> str:
    """`ml-system/Deployment inference-stable`, for messages."""
    return f"{namespace_of(item) or '(cluster)'}/{item['kind']} {item['metadata']['name']}"


def is_of(definition: Object, item: Object) -> bool:
    """Whether a definition is that of the object's kind."""
    group = item["apiVersion"].rpartition("/")[0]
    return definition["spec"]["group"] == group and definition["spec"]["names"]["kind"] == item["kind"]


class Paths:
    """Where objects are: learned from the API server, which alone knows how kinds are spelt in addresses."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, dict[str, tuple[str, bool]]] = {}

    def collection(self, item: Object) -> str:
        """Of the object's kind, in its namespace."""
        version = item["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural, namespaced = self._kinds(root)[item["kind"]]
        return f"{root}/namespaces/{namespace_of(item)}/{plural}" if namespaced else f"{root}/{plural}"

    def of(self, item: Object) -> str:
        return f"{self.collection(item)}/{item['metadata']['name']}"

    def is_known(self, item: Object) -> bool:
        """Whether the API server has the object's kind now."""
        try:
            self.collection(item)
        except LookupError:
            return False
        return True

    def _kinds(self, root: str) -> dict[str, tuple[str, bool]]:
        if root not in self._known:
            found = self._api.find(root)
            if found is None:
                raise LookupError(f"the API server does not have {root}")
            self._known[root] = {
                one["kind"]: (one["name"], one["namespaced"]) for one in found["resources"] if "/" not in one["name"]
            }
        return self._known[root]


def namespaced_in(items: Iterable[Object], namespace: str) -> list[Object]:
    return [item for item in items if namespace_of(item) == namespace]


def _object(inputs: Object) -> Object:
    # What a Secret holds is masked in the graph: it is left out.
    return {key: copy.deepcopy(value) for key, value in inputs.items() if value is not None and value != SECRET}
