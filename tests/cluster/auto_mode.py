"""Stand-ins for the definitions of EKS Auto Mode's own kinds, which AWS publishes in no package.

They know the fields that this program gives, by the names and shapes of the EKS User Guide ("Create a Node Class for
Amazon EKS", "Associate a target group"), and refuse every other. What more a cluster in Auto Mode takes or refuses,
only such a cluster can tell.
"""

from __future__ import annotations

from tests.cluster.api import Object

_GROUP = "eks.amazonaws.com"

_TEXT: Object = {"type": "string", "minLength": 1}
_PORT: Object = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}


def _object(required: tuple[str, ...] = (), **fields: Object) -> Object:
    return {"type": "object", "properties": fields, **({"required": list(required)} if required else {})}


def _some(item: Object) -> Object:
    return {"type": "array", "minItems": 1, "items": item}


def _one_of(*words: str) -> Object:
    return {"type": "string", "enum": list(words)}


_LABELS: Object = {"type": "object", "additionalProperties": _TEXT}
_CHOSEN = _some(_object(id=_TEXT, tags=_LABELS))

NODE_CLASS = _object(
    ("role", "subnetSelectorTerms", "securityGroupSelectorTerms"),
    role=_TEXT,
    subnetSelectorTerms=_CHOSEN,
    securityGroupSelectorTerms=_CHOSEN,
    podSubnetSelectorTerms=_CHOSEN,
    podSecurityGroupSelectorTerms=_CHOSEN,
    networkPolicy=_one_of("DefaultAllow", "DefaultDeny"),
    networkPolicyEventLogs=_one_of("Enabled", "Disabled"),
    ephemeralStorage=_object(size=_TEXT, kmsKeyID=_TEXT),
    advancedNetworking=_object(associatePublicIPAddress={"type": "boolean"}),
    tags=_LABELS,
)
TARGET_GROUP_BINDING = _object(
    ("serviceRef", "targetGroupARN"),
    serviceRef=_object(("name", "port"), name=_TEXT, port=_PORT),
    targetGroupARN=_TEXT,
    targetType=_one_of("ip", "instance"),
)


def definitions() -> list[Object]:
    return [
        _definition("NodeClass", "nodeclasses", "Cluster", NODE_CLASS),
        _definition("TargetGroupBinding", "targetgroupbindings", "Namespaced", TARGET_GROUP_BINDING),
    ]


def _definition(kind: str, plural: str, scope: str, spec: Object) -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{_GROUP}"},
        "spec": {
            "group": _GROUP,
            "scope": scope,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _object(("spec",), spec=spec)},
                }
            ],
        },
    }
