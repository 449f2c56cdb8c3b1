"""Network policies: every namespace starts with nothing allowed, and the serving pods get the flows they need by name.

EKS Auto Mode enforces them once its network policy controller is switched on, which is the cluster's job. A pod's own
node may always reach it, so the kubelet's probes need no rule (aws/aws-network-policy-agent, pull request 65).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.workload import labels
from components.workload.labels import Manifest
from contract import service

ANYWHERE = "0.0.0.0/0"
DNS_PORT = 53
HTTPS_PORT = 443
POSTGRESQL_PORT = 5432
MLFLOW_PORT = 5000
MLFLOW_SELECTOR = {labels.NAME_LABEL: "mlflow"}

# Where the SDKs fetch the credentials of EKS Pod Identity: a link-local address that every node answers
# (Amazon EKS user guide, "Learn how EKS Pod Identity grants pods access to AWS services").
POD_IDENTITY_AGENT_CIDR = "169.254.170.23/32"
POD_IDENTITY_AGENT_PORT = 80


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The addresses that the serving pods have to do with."""

    load_balancer_cidrs: Sequence[str]
    """The public subnets: a load balancer's nodes lie there and change address as it scales."""
    vpc_cidr: str


def default_deny(namespace: str) -> Manifest:
    """No pod of the namespace takes or opens a connection that another policy does not allow."""
    return _policy("default-deny", namespace, selector={}, types=("Ingress", "Egress"))


def allow_dns(namespace: str) -> Manifest:
    """Every pod of the namespace may resolve names.

    Port 53 of any address: in EKS Auto Mode the cluster's DNS is a service of the node, not pods that a policy could
    select (aws/containers-roadmap 2552), and policies see the Service's address, which is outside the VPC's range.
    The pods' security group keeps what leaves the node inside the VPC.
    """
    egress = {"to": [_block(ANYWHERE)], "ports": [_port(DNS_PORT, "UDP"), _port(DNS_PORT)]}
    return _policy("allow-dns", namespace, selector={}, types=("Egress",), egress=egress)


def serving_policies(neighbours: Neighbours, *, grpc: bool) -> list[Manifest]:
    """The flows of the serving pods beyond DNS, one policy each, named after the other end.

    gRPC is for pods of the serving namespace alone: it is plain text on the wire, and nothing that faces the Internet
    stands before it, neither the edge nor a Web ACL.
    """
    return [
        _serving_ingress(
            "load-balancer",
            [_block(cidr) for cidr in neighbours.load_balancer_cidrs],
            (service.HTTP_PORT, service.PROBE_PORT),
        ),
        _serving_ingress("monitoring", [_namespace(labels.MONITORING_NAMESPACE)], (service.PROBE_PORT,)),
        *([_serving_ingress("namespace", [_own_namespace()], (service.GRPC_PORT,))] if grpc else []),
        # Any address on 443: the gateway endpoints of S3 and DynamoDB are reached under public addresses, for which
        # AWS has prefix lists and network policies have no word. Security group and endpoint policies narrow it.
        _serving_egress("aws", [_block(ANYWHERE)], HTTPS_PORT),
        _serving_egress("pod-identity-agent", [_block(POD_IDENTITY_AGENT_CIDR)], POD_IDENTITY_AGENT_PORT),
        # RDS has no pods to select and its addresses change with a failover; its security group names these pods.
        _serving_egress("postgresql", [_block(neighbours.vpc_cidr)], POSTGRESQL_PORT),
        _serving_egress("mlflow", [_namespace(labels.DATA_NAMESPACE, MLFLOW_SELECTOR)], MLFLOW_PORT),
    ]


def _serving_ingress(source: str, peers: list[Manifest], ports: Sequence[int]) -> Manifest:
    rule = {"from": peers, "ports": [_port(port) for port in ports]}
    return _policy(
        f"{labels.APPLICATION}-from-{source}",
        labels.SERVING_NAMESPACE,
        selector=labels.application_selector(),
        types=("Ingress",),
        ingress=rule,
    )


def _serving_egress(target: str, peers: list[Manifest], port: int) -> Manifest:
    rule = {"to": peers, "ports": [_port(port)]}
    return _policy(
        f"{labels.APPLICATION}-to-{target}",
        labels.SERVING_NAMESPACE,
        selector=labels.application_selector(),
        types=("Egress",),
        egress=rule,
    )


def _policy(
    name: str,
    namespace: str,
    *,
    selector: dict[str, str],
    types: Sequence[str],
    ingress: Manifest | None = None,
    egress: Manifest | None = None,
) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": selector} if selector else {},
            "policyTypes": list(types),
            **({"ingress": [ingress]} if ingress else {}),
            **({"egress": [egress]} if egress else {}),
        },
    }


def _block(cidr: str) -> Manifest:
    return {"ipBlock": {"cidr": cidr}}


def _namespace(name: str, pods: dict[str, str] | None = None) -> Manifest:
    peer: Manifest = {"namespaceSelector": {"matchLabels": {labels.NAMESPACE_LABEL: name}}}
    return {**peer, "podSelector": {"matchLabels": pods}} if pods else peer


def _own_namespace() -> Manifest:
    # A pod selector by itself means the policy's namespace; an empty one, every pod there.
    return {"podSelector": {}}


def _port(port: int, protocol: str = "TCP") -> Manifest:
    return {"protocol": protocol, "port": port}
