"""The class of volume that pods keep data on: EKS Auto Mode's block storage, encrypted with our key."""

from __future__ import annotations

import pulumi

from components.workload.labels import Manifest

STORAGE_CLASS = "gp3"

# Auto Mode's own driver, and the label of the nodes that it serves
# (Amazon EKS User Guide, "Create a storage class"). Auto Mode makes no class itself.
_PROVISIONER = "ebs.csi.eks.amazonaws.com"
_COMPUTE_TYPE_LABEL = "eks.amazonaws.com/compute-type"


def storage_class(key_arn: pulumi.Input[str]) -> Manifest:
    """A volume is made in the zone of the pod that asks for it, may grow, and goes with its claim."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS},
        "provisioner": _PROVISIONER,
        "parameters": {"type": "gp3", "encrypted": "true", "kmsKeyId": key_arn},
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        "allowedTopologies": [{"matchLabelExpressions": [{"key": _COMPUTE_TYPE_LABEL, "values": ["auto"]}]}],
    }


def volume_claim(gib: int) -> Manifest:
    """A StatefulSet's claim to a volume of the class."""
    return {
        "spec": {
            "storageClassName": STORAGE_CLASS,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{gib}Gi"}},
        }
    }
