"""The kinds that External Secrets is driven by, as far as they are used here.

Upstream's definitions of them describe some forty providers, most of their length. These name one, Secrets Manager with
the controller's own credentials, and one way to make a Secret; so the API server drops or refuses what would fetch from
elsewhere. Names and types are those of external-secrets v2.9.0 (apis/externalsecrets/v1 and apis/generators/v1alpha1),
where a field that is left out means its default. No conversion webhook is needed: each kind has one version.
"""

from __future__ import annotations

from typing import Any

from components.workload.labels import Manifest

GROUP = "external-secrets.io"
GENERATORS_GROUP = f"generators.{GROUP}"
API_VERSION = f"{GROUP}/v1"

Schema = dict[str, Any]

_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 253}


def definitions() -> list[Manifest]:
    """The definitions, none of which depends on another."""
    return [external_secrets(), secret_stores(), generator_states()]


def secret_stores() -> Manifest:
    aws = _object(
        {"service": {"type": "string", "enum": ["SecretsManager"]}, "region": _NAME}, required=["service", "region"]
    )
    spec = _object({"provider": _object({"aws": aws}, required=["aws"])}, required=["provider"])
    status = _object({"conditions": _conditions(), "capabilities": {"type": "string"}})
    return _definition(GROUP, "v1", "SecretStore", "secretstores", "ss", spec, status)


def external_secrets() -> Manifest:
    remote = _object({"key": _NAME, "property": _NAME}, required=["key"])
    one = _object({"secretKey": _NAME, "remoteRef": remote}, required=["secretKey", "remoteRef"])
    whole = _object({"extract": _object({"key": _NAME}, required=["key"])}, required=["extract"])
    store = _object({"name": _NAME, "kind": {"type": "string", "enum": ["SecretStore"]}}, required=["name", "kind"])
    target = _object(
        {
            "name": _NAME,
            "creationPolicy": {"type": "string", "enum": ["Owner"]},
            "deletionPolicy": {"type": "string", "enum": ["Retain"]},
        },
        required=["name", "creationPolicy", "deletionPolicy"],
    )
    spec = _object(
        {
            "refreshInterval": {"type": "string"},
            "secretStoreRef": store,
            "target": target,
            "data": {"type": "array", "items": one},
            "dataFrom": {"type": "array", "items": whole},
        },
        required=["refreshInterval", "secretStoreRef", "target"],
    )
    status = _object(
        {
            "refreshTime": {"type": "string", "format": "date-time", "nullable": True},
            "syncedResourceVersion": {"type": "string"},
            "conditions": _conditions(),
            "binding": _object({"name": {"type": "string"}}),
        }
    )
    return _definition(GROUP, "v1", "ExternalSecret", "externalsecrets", "es", spec, status)


def generator_states() -> Manifest:
    """Nothing here makes one, but the controller watches them whether or not it is to (`Execute` in
    cmd/controller/root.go), and would not start without the kind."""
    spec = _object(
        {
            "garbageCollectionDeadline": {"type": "string", "format": "date-time"},
            "resource": {"x-kubernetes-preserve-unknown-fields": True},
            "state": {"x-kubernetes-preserve-unknown-fields": True},
        },
        required=["resource", "state"],
    )
    return _definition(
        GENERATORS_GROUP,
        "v1alpha1",
        "GeneratorState",
        "generatorstates",
        "gs",
        spec,
        _object({"conditions": _conditions()}),
    )


def _conditions() -> Schema:
    text: Schema = {"type": "string"}
    condition = _object(
        {
            "type": text,
            "status": text,
            "reason": text,
            "message": text,
            "lastTransitionTime": {"type": "string", "format": "date-time"},
        },
        required=["type", "status"],
    )
    return {"type": "array", "items": condition}


def _object(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _definition(
    group: str, version: str, kind: str, plural: str, short_name: str, spec: Schema, status: Schema
) -> Manifest:
    text: Schema = {"type": "string"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short_name],
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        _column("Status", "reason"),
                        _column("Ready", "status"),
                    ],
                    "schema": {
                        "openAPIV3Schema": _object(
                            {
                                "apiVersion": text,
                                "kind": text,
                                "metadata": {"type": "object"},
                                "spec": spec,
                                "status": status,
                            }
                        )
                    },
                }
            ],
        },
    }


def _column(name: str, field: str) -> dict[str, str]:
    """Of what `kubectl get` shows."""
    return {"name": name, "type": "string", "jsonPath": f'.status.conditions[?(@.type=="Ready")].{field}'}
