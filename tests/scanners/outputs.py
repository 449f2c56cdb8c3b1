"""Outputs of the scanners over a few objects, cut to the fields that are read."""

from __future__ import annotations

import json
from typing import Any


def _scored(kind: str, name: str, grade: int, *, skipped: bool = False, namespace: str | None = "x") -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    return {
        "object_name": f"{kind}/v1/{name}",
        "type_meta": {"kind": kind},
        "object_meta": {"name": name, **where},
        "checks": [
            {
                "check": {"id": "container-image-pull-policy"},
                "grade": grade,
                "skipped": skipped,
                "comments": [{"path": "web", "summary": "ImagePullPolicy is not set to Always"}]
                if grade < 10
                else None,
            }
        ],
    }


KUBE_SCORE = json.dumps(
    [
        _scored("Deployment", "critical", 1),
        _scored("Deployment", "warned", 5),
        _scored("Deployment", "skipped", 1, skipped=True),
        _scored("Deployment", "fine", 10),
        _scored("ClusterRole", "wide", 1, namespace=None),
        # The same object of another region.
        _scored("Deployment", "critical", 1),
    ]
)
CHECKOV = json.dumps(
    {
        "check_type": "kubernetes",
        "results": {
            "passed_checks": [{"check_id": "CKV_K8S_21", "check_name": "Namespace", "resource": "Deployment.x.web"}],
            "failed_checks": [
                {"check_id": "CKV_K8S_43", "check_name": "Image should use digest", "resource": "Deployment.x.web.v1"}
            ],
        },
    }
)
CHECKOV_WITHOUT_OBJECTS = json.dumps({"passed": 0, "failed": 0, "resource_count": 0})
KUBERNETES_VALIDATE = """\
WARN m.yaml Couldn't find schema for kind NodePool with api version karpenter.sh/v1 for kubernetes version 1.34
ERROR m.yaml did not validate for resource service/web against version 1.34: spec.ports: 5 is not of type 'array'
"""
YAMLLINT = """\
m.yaml:12:3: [error] duplication of key "name" in mapping (key-duplicates)
m.yaml:40:1: [warning] missing document start "---" (document-start)
"""
