"""External Secrets: copies one secret of Secrets Manager into a Secret of one namespace, and keeps it up to date.

There is a controller for each, so that none can read more: one that watched all namespaces would hold the right to read
every Secret of the cluster. Flags and rights were read in v2.9.0, one minor release before the image's (cmd/controller/
root.go, pkg/controllers/{externalsecret,secretstore,generatorstate,common}); that release was tried with them, and with
the kinds of `secret_kinds`, on an API server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.cluster.addons import system_pool_placement
from components.observability import access, images, names, pods, secret_kinds, services
from components.observability.monitors import METRICS_PORT
from components.workload.labels import Manifest

PORT = 8080
STORE = "secrets-manager"
"""Of each namespace's SecretStore."""

REFRESH_MINUTES = 5
"""A changed value is in its Secret after so long at most; each look is one call of GetSecretValue."""

_HEALTH = "health"
_HEALTH_PORT = 8082
_INSTANCE_LABEL = "app.kubernetes.io/instance"
_SIZE = pods.Size(
    cpu_request_millicores=20, cpu_limit_millicores=200, memory_request_mib=128, memory_limit_mib=256, disk_mib=32
)
_READ = ["get", "list", "watch"]


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A secret that is kept in a namespace as well."""

    controller: str
    """Name of the Deployment that does it, and of its account, which EKS Pod Identity gives the right to read."""
    namespace: str
    secret: str
    """Name of the Secret that is made."""
    source: str
    """Name of the secret in Secrets Manager, a JSON object."""
    fields: tuple[str, ...] = ()
    """Fields of the object that are taken; none means all that there are."""


def shared_manifests() -> list[Manifest]:
    """What all controllers have in common: the Service by which Prometheus finds them."""
    metadata = names.metadata(names.SECRETS)
    return [services.service(metadata, names.name_labels(names.SECRETS), {METRICS_PORT: PORT})]


def controller_manifests(copy: Copy) -> list[Manifest]:
    """Account, role and binding in the namespace it serves, and Deployment, in the order in which they are needed."""
    metadata = names.metadata(copy.controller, of=names.SECRETS)
    served = {**metadata, "namespace": copy.namespace}
    return [
        access.service_account(metadata),
        access.role(served, _rules(copy.secret)),
        access.binding(served, copy.controller, names.NAMESPACE),
        deployment(copy),
    ]


def resources(copy: Copy, region: str) -> list[Manifest]:
    """The store, and what is to be copied from it."""
    return [store(copy.namespace, region), external_secret(copy)]


def store(namespace: str, region: str) -> Manifest:
    """Secrets Manager, by the controller's own credentials: without `auth` the AWS SDK looks for them itself."""
    return {
        "apiVersion": secret_kinds.API_VERSION,
        "kind": "SecretStore",
        "metadata": {"name": STORE, "namespace": namespace, "labels": names.name_labels(names.SECRETS)},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": region}}},
    }


def external_secret(copy: Copy) -> Manifest:
    """An object without any field makes no Secret, and is no error."""
    if copy.fields:
        taken: Manifest = {
            "data": [
                {"secretKey": field, "remoteRef": {"key": copy.source, "property": field}} for field in copy.fields
            ]
        }
    else:
        taken = {"dataFrom": [{"extract": {"key": copy.source}}]}
    return {
        "apiVersion": secret_kinds.API_VERSION,
        "kind": "ExternalSecret",
        "metadata": {"name": copy.secret, "namespace": copy.namespace, "labels": names.name_labels(names.SECRETS)},
        "spec": {
            "refreshInterval": f"{REFRESH_MINUTES}m0s",
            "secretStoreRef": {"name": STORE, "kind": "SecretStore"},
            "target": {"name": copy.secret, "creationPolicy": "Owner", "deletionPolicy": "Retain"},
            **taken,
        },
    }


def deployment(copy: Copy) -> Manifest:
    """One replica: while it is away, the Secret stays as it is."""
    selector = {**names.name_labels(names.SECRETS), _INSTANCE_LABEL: copy.controller}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(copy.controller, of=names.SECRETS),
        "spec": {
            "replicas": 1,
            # Never two at once, which would write the same Secret.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": _pod(copy)},
        },
    }


def _pod(copy: Copy) -> Manifest:
    ports = {METRICS_PORT: PORT, _HEALTH: _HEALTH_PORT}
    return {
        "serviceAccountName": copy.controller,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "securityContext": pods.pod_security(),
        **system_pool_placement(),
        "containers": [
            {
                "name": names.SECRETS,
                "image": images.EXTERNAL_SECRETS.reference,
                "imagePullPolicy": "IfNotPresent",
                "args": arguments(copy),
                "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
                "resources": pods.resources(_SIZE),
                "securityContext": pods.container_security(),
                "livenessProbe": pods.http_probe("/healthz", _HEALTH),
                "readinessProbe": pods.http_probe("/readyz", _HEALTH),
            }
        ],
    }


def arguments(copy: Copy) -> list[str]:
    """The controller's command line: one namespace, and none of the kinds that are not defined here."""
    off = ("cluster-store-reconciler", "cluster-external-secret-reconciler", "cluster-push-secret-reconciler")
    return [
        f"--namespace={copy.namespace}",
        *(f"--enable-{what}=false" for what in (*off, "push-secret-reconciler", "generator-state")),
        f"--metrics-addr=:{PORT}",
        f"--live-addr=:{_HEALTH_PORT}",
        "--loglevel=info",
        "--zap-time-encoding=rfc3339",
    ]


def _rules(secret: str) -> list[dict[str, Any]]:
    """Its own kinds, and Secrets: it watches all of the namespace, and writes the one it keeps.

    What is to be made has no name that a rule could know, so it may create any.
    """
    group = secret_kinds.GROUP
    return [
        _rule(group, ["externalsecrets", "secretstores"], _READ),
        # A finalizer is put on what it keeps, and the state of both is written.
        _rule(group, ["externalsecrets"], ["patch"]),
        _rule(group, ["externalsecrets/status"], ["update", "patch"]),
        _rule(group, ["secretstores/status"], ["update", "patch"]),
        # The Secret names its maker as an owner that waits for it, which a cluster may demand this right for.
        _rule(group, ["externalsecrets/finalizers"], ["update"]),
        _rule(secret_kinds.GENERATORS_GROUP, ["generatorstates"], _READ),
        _rule("", ["secrets"], [*_READ, "create"]),
        {**_rule("", ["secrets"], ["update", "patch", "delete"]), "resourceNames": [secret]},
        _rule("", ["events"], ["create", "patch"]),
    ]


def _rule(group: str, kinds: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": kinds, "verbs": verbs}
