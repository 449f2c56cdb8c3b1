"""Puts the program's objects on a cluster, and takes away what was put there, and no more than that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.cluster.api import Api, Applied, Object, Refused, TookTooLong, apply, has_condition
from tests.cluster.definitions import auto_mode_definitions
from tests.cluster.objects import API_SERVICE, DEFINITION, NAMESPACE, Paths, Rendered, is_of

ESTABLISHED_SECONDS = 60
REMOVED_SECONDS = 180
DISPOSABLE = "SERVEML_CLUSTER_IS_DISPOSABLE"


class InUse(Exception):
    """The cluster does real work under our names; the message says where, and how to go on regardless."""


@dataclass(kw_only=True)
class Installation:
    """What a cluster said to the objects of one rendering."""

    answers: list[Applied] = field(default_factory=list[Applied])
    made: list[Object] = field(default_factory=list[Object])
    """What was not there before."""

    @property
    def complaints(self) -> str:
        return "\n".join(answer.complaints for answer in self.answers if answer.complaints)

    @property
    def accepted(self) -> list[str]:
        return [line for answer in self.answers for line in answer.accepted]


def refuse_a_cluster_in_use(api: Api, wanted: Rendered, *, disposable: bool) -> None:
    """Raise InUse if pods run in a namespace of ours, unless the cluster may be spoilt."""
    if disposable:
        return
    for namespace in wanted.namespaces:
        pods = api.items(f"/api/v1/namespaces/{namespace}/pods", limit="1")
        if pods:
            raise InUse(
                f"the cluster of KUBECONFIG runs pods in the namespace {namespace}, which these tests change and "
                f"delete: name another cluster, or set {DISPOSABLE}=1 if nothing in this one is needed"
            )


def install(api: Api, kubectl: str, wanted: Rendered, done: Installation) -> None:
    """Namespaces first, then definitions, then all else; nothing is waited for but the definitions.

    Two sorts of objects are validated by the API server and not kept. What an operator of the cluster's own may act
    on: its definition stood before. And an API that nothing answers: while it is registered, no namespace can go.
    `done` is told step by step, so that a failure half way can be cleaned up after.
    """
    paths = Paths(api)
    stand_ins = [one for one in auto_mode_definitions() if api.find(_definition_path(one)) is None]
    definitions = [*wanted.of_kind(DEFINITION), *stand_ins]
    _keep(api, kubectl, paths, done, wanted.of_kind(NAMESPACE))
    _keep(api, kubectl, paths, done, definitions)
    for definition in definitions:
        _await_established(api, definition)

    rest = wanted.others(NAMESPACE, DEFINITION)
    built_in = [item for item in rest if not _is_custom(item)]
    ours = [item for item in rest if _is_custom(item) and any(is_of(definition, item) for definition in definitions)]
    looked_at = [item for item in rest if item["kind"] == API_SERVICE or (_is_custom(item) and item not in ours)]
    kept = [item for item in rest if item["kind"] != API_SERVICE and (item in built_in or item in ours)]
    _keep(api, kubectl, paths, done, kept)
    if looked_at:
        done.answers.append(apply(kubectl, looked_at, dry_run=True))


def remove(api: Api, made: Sequence[Object]) -> None:
    """Delete what an installation made, last things first, and wait until the namespaces are gone."""
    paths = Paths(api)
    namespaces = [item for item in made if item["kind"] == NAMESPACE]
    definitions = [item for item in made if item["kind"] == DEFINITION]
    others = [item for item in made if item not in namespaces and item not in definitions]
    # With its namespace, an object goes by itself.
    names = {item["metadata"]["name"] for item in namespaces}
    apart = [item for item in others if item["metadata"].get("namespace") not in names]
    for item in [*reversed(apart), *namespaces]:
        _delete(api, paths.of(item))
    _await_removal(api, names)
    for item in definitions:
        _delete(api, paths.of(item))


def _keep(api: Api, kubectl: str, paths: Paths, done: Installation, items: Sequence[Object]) -> None:
    if not items:
        return
    # A kind that the API server does not know is for `kubectl apply` to complain of.
    done.made += [item for item in items if paths.is_known(item) and api.find(paths.of(item)) is None]
    done.answers.append(apply(kubectl, items))


def _is_custom(item: Object) -> bool:
    """Kubernetes' own groups have no dot, or end in `k8s.io`."""
    group = item["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def _definition_path(definition: Object) -> str:
    return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"


def _await_established(api: Api, definition: Object) -> None:
    name = definition["metadata"]["name"]
    collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for state in api.states(collection, seconds=ESTABLISHED_SECONDS, fieldSelector=f"metadata.name={name}"):
        if name in state and has_condition(state[name], "Established"):
            return


def _delete(api: Api, path: str) -> None:
    try:
        api.call("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"})
    except Refused as refusal:
        if refusal.status != 404:
            raise


def _await_removal(api: Api, namespaces: set[str]) -> None:
    try:
        for state in api.states("/api/v1/namespaces", seconds=REMOVED_SECONDS):
            if not namespaces & state.keys():
                return
    except TookTooLong as late:
        raise TookTooLong(f"the namespaces {', '.join(sorted(namespaces))} are not gone: {late}") from late
