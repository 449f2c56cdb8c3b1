"""What roles say and what the API server answers: rights as written in manifests, and as granted on a cluster.

Roles of Kubernetes' own that a binding names (`system:auth-delegator`) are read from the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.cluster.api import Api, Object
from tests.cluster.objects import Rendered, namespace_of

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A service account, by namespace and name, or a group alone."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def identity(self) -> Object:
        if self.kind == "Group":
            return {"user": "somebody", "groups": [self.name, "system:authenticated"]}
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"]
        return {"user": f"system:serviceaccount:{self.namespace}:{self.name}", "groups": groups}


@dataclass(frozen=True, kw_only=True)
class Right:
    """One verb on one resource (`pods`, `pods/log`) in a namespace, or in the whole cluster if that is empty."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} in {self.namespace or 'the cluster'}"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A rule that a binding gives to a subject; `namespace` is empty for one of the whole cluster."""

    subject: Subject
    namespace: str
    rule: Object

    def rights(self) -> Iterator[Right]:
        """Each right that the rule names; addresses that are no resources are left out."""
        for group in self.rule.get("apiGroups", []):
            for resource in self.rule.get("resources", []):
                for verb in self.rule["verbs"]:
                    for name in self.rule.get("resourceNames", [""]):
                        yield Right(verb=verb, resource=resource, group=group, namespace=self.namespace, name=name)

    def covers(self, right: Right) -> bool:
        return (
            self.namespace in ("", right.namespace)
            and _matches(self.rule.get("apiGroups", []), right.group)
            and _matches(self.rule.get("resources", []), right.resource)
            and _matches(self.rule["verbs"], right.verb)
            and (not self.rule.get("resourceNames") or right.name in self.rule["resourceNames"])
        )


def grants(api: Api, wanted: Rendered) -> list[Grant]:
    """Every rule that the rendered bindings give to anybody."""
    found: list[Grant] = []
    for binding in wanted.of_kind("RoleBinding", "ClusterRoleBinding"):
        namespace = namespace_of(binding) or ""
        for subject in binding["subjects"]:
            who = Subject(kind=subject["kind"], name=subject["name"], namespace=subject.get("namespace", ""))
            for rule in _rules(api, wanted, binding["roleRef"], namespace):
                found.append(Grant(subject=who, namespace=namespace, rule=rule))
    return found


def accounts(wanted: Rendered) -> list[Subject]:
    """The service accounts that the stack makes."""
    return [
        Subject(kind="ServiceAccount", name=one["metadata"]["name"], namespace=one["metadata"]["namespace"])
        for one in wanted.of_kind("ServiceAccount")
    ]


def may(api: Api, subject: Subject, right: Right) -> bool:
    """What the API server answers."""
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {**subject.identity, "resourceAttributes": attributes},
    }
    return bool(api.create(_REVIEWS, review)["status"]["allowed"])


def _rules(api: Api, wanted: Rendered, reference: Object, namespace: str) -> Sequence[Object]:
    kind, name = reference["kind"], reference["name"]
    within = namespace if kind == "Role" else None
    written = [
        one
        for one in wanted.of_kind(kind)
        if one["metadata"]["name"] == name and (within is None or namespace_of(one) == within)
    ]
    if written:
        return written[0]["rules"]
    place = f"{_RBAC}/namespaces/{within}/roles" if within else f"{_RBAC}/clusterroles"
    return api.get(f"{place}/{name}")["rules"]


def _matches(allowed: Sequence[str], asked: str) -> bool:
    return "*" in allowed or asked in allowed
