"""Network policies: every namespace starts with nothing allowed, and the serving pods get the flows they need by name.

EKS Auto Mode enforces them once its network policy controller is switched on, which is the cluster's job. A pod's own
node may always reach it, so the kubelet's probes need no rule (aws/aws-network-policy-agent, pull request 65).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.isolation.flow import Addresses, End, Flow, Pods, Port, egress_rule, ingress_rule, policy
from components.observability import names
from components.workload import labels
from components.workload.labels import Manifest
from contract import service

ANYWHERE = "0.0.0.0/0"
DNS_PORT = 53
HTTPS_PORT = 443
POSTGRESQL_PORT = 5432
MLFLOW_PORT = 5000
OTLP_HTTP_PORT = 4318
"""The serving container speaks OTLP over HTTP alone."""

# Where the SDKs fetch the credentials of EKS Pod Identity: a link-local address that every node answers
# (Amazon EKS user guide, "Learn how EKS Pod Identity grants pods access to AWS services").
POD_IDENTITY_AGENT_CIDR = "169.254.170.23/32"
POD_IDENTITY_AGENT_PORT = 80

SERVING = Pods(namespace=labels.SERVING_NAMESPACE, application=labels.APPLICATION)
MLFLOW = Pods(namespace=labels.DATA_NAMESPACE, application="mlflow")
PROMETHEUS = Pods(namespace=labels.MONITORING_NAMESPACE, application=names.PROMETHEUS)
COLLECTOR = Pods(namespace=labels.MONITORING_NAMESPACE, application=names.TRACES)

SCRAPE = Flow(source=PROMETHEUS, target=SERVING, ports=[Port(service.PROBE_PORT)])
TRACES = Flow(source=SERVING, target=COLLECTOR, ports=[Port(OTLP_HTTP_PORT)])
TRACKING = Flow(source=SERVING, target=MLFLOW, ports=[Port(MLFLOW_PORT)])


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What the serving pods have to do with."""

    load_balancer_cidrs: Sequence[str]
    """The public subnets: a load balancer's nodes lie there and change address as it scales."""
    vpc_cidr: str
    metrics: bool = True
    """Whether the cluster has a Prometheus, which reads the pods' metrics."""
    traces: bool = False
    """Whether the cluster has a collector, which takes the pods' traces."""


def default_deny(namespace: str) -> Manifest:
    """No pod of the namespace takes or opens a connection that another policy does not allow."""
    return policy("default-deny", Pods(namespace=namespace), types=("Ingress", "Egress"))


def allow_dns(namespace: str) -> Manifest:
    """Every pod of the namespace may resolve names.

    Port 53 of any address: in EKS Auto Mode the cluster's DNS is a service of the node, not pods that a policy could
    select (aws/containers-roadmap 2552), and policies see the Service's address, which is outside the VPC's range.
    The pods' security group keeps what leaves the node inside the VPC.
    """
    pods = Pods(namespace=namespace)
    dns = Flow(source=pods, target=Addresses(cidrs=[ANYWHERE]), ports=[Port(DNS_PORT, "UDP"), Port(DNS_PORT)])
    return policy("allow-dns", pods, egress=[egress_rule(dns)])


def serving_policies(neighbours: Neighbours, *, grpc: bool) -> list[Manifest]:
    """The flows of the serving pods beyond DNS, one policy each, named after the other end.

    gRPC is for pods of the serving namespace alone: it is plain text on the wire, and nothing that faces the Internet
    stands before it, neither the edge nor a Web ACL.
    """
    balancer = Addresses(cidrs=neighbours.load_balancer_cidrs)
    calls = Flow(source=balancer, target=SERVING, ports=[Port(service.HTTP_PORT), Port(service.PROBE_PORT)])
    return [
        _ingress("load-balancer", calls),
        *([_ingress("monitoring", SCRAPE)] if neighbours.metrics else []),
        *(_grpc() if grpc else []),
        # Any address on 443: the gateway endpoints of S3 and DynamoDB are reached under public addresses, for which
        # AWS has prefix lists and network policies have no word. Security group and endpoint policies narrow it.
        _egress("aws", _to(Addresses(cidrs=[ANYWHERE]), HTTPS_PORT)),
        _egress("pod-identity-agent", _to(Addresses(cidrs=[POD_IDENTITY_AGENT_CIDR]), POD_IDENTITY_AGENT_PORT)),
        # RDS has no pods to select and its addresses change with a failover; its security group names these pods.
        _egress("postgresql", _to(Addresses(cidrs=[neighbours.vpc_cidr]), POSTGRESQL_PORT)),
        _egress("mlflow", TRACKING),
        *([_egress("otel-collector", TRACES)] if neighbours.traces else []),
    ]


def _grpc() -> list[Manifest]:
    """Both ends: a client of the namespace could not call otherwise, for none may open a connection by default."""
    clients = Pods(namespace=labels.SERVING_NAMESPACE)
    calls = Flow(source=clients, target=SERVING, ports=[Port(service.GRPC_PORT)])
    return [
        _ingress("namespace", calls),
        policy(f"namespace-to-{labels.APPLICATION}", clients, egress=[egress_rule(calls)]),
    ]


def _to(target: End, port: int) -> Flow:
    return Flow(source=SERVING, target=target, ports=[Port(port)])


def _ingress(source: str, flow: Flow) -> Manifest:
    return policy(f"{labels.APPLICATION}-from-{source}", SERVING, ingress=[ingress_rule(flow)])


def _egress(target: str, flow: Flow) -> Manifest:
    return policy(f"{labels.APPLICATION}-to-{target}", SERVING, egress=[egress_rule(flow)])
