"""How traffic reaches the pods: a Service that names a track's pods, bound to a target group of the load balancer."""

from __future__ import annotations

import pulumi

from components.workload import labels
from components.workload.labels import Manifest, Track
from contract import service

HTTP_PORT_NAME = "http"
PROBE_PORT_NAME = "probe"
GRPC_PORT_NAME = "grpc"

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
"""Makes the Kubernetes provider take the object as done once it is accepted."""


def track_service(track: Track, *, grpc: bool) -> Manifest:
    """The pods of a track under one name, inside the cluster alone.

    This name is the only way to gRPC: the load balancer does not lead to it. A target group speaks one version of the
    protocol (Elastic Load Balancing user guide, "Target groups for your Application Load Balancers"), so gRPC would
    take target groups, bindings and canary weights of its own behind rules that tell its calls apart; and whoever wants
    it for its speed calls from beside the pods.

    The provider would wait until pods are ready, but the pods come after the binding, and the binding after this
    Service; a canary's Service may have none for months.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": labels.metadata(labels.track_name(track), labels.track_selector(track), SKIP_AWAIT),
        "spec": {
            "type": "ClusterIP",
            "selector": labels.track_selector(track),
            "ports": [
                _port(HTTP_PORT_NAME, service.HTTP_PORT),
                _port(PROBE_PORT_NAME, service.PROBE_PORT),
                *([_port(GRPC_PORT_NAME, service.GRPC_PORT)] if grpc else []),
            ],
        },
    }


def target_group_binding(track: Track, target_group_arn: pulumi.Input[str]) -> Manifest:
    """Has EKS Auto Mode keep a target group's targets equal to the addresses of the track's ready pods.

    Auto Mode serves this kind under its own API group, and only for target groups that carry the cluster's tag
    (aws/containers-roadmap 2508). It knows target groups by ARN alone (2621). Without `networking` it leaves security
    groups as they are: those are the network's.
    """
    return {
        "apiVersion": "eks.amazonaws.com/v1",
        "kind": "TargetGroupBinding",
        "metadata": labels.metadata(labels.track_name(track), labels.track_selector(track)),
        "spec": {
            "serviceRef": {"name": labels.track_name(track), "port": service.HTTP_PORT},
            "targetGroupARN": target_group_arn,
            "targetType": "ip",
        },
    }


def _port(name: str, port: int) -> Manifest:
    return {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}
