"""The flows of what watches the platform and of what keeps its data: the one list from which their policies come.

DNS is not among them, for every pod may resolve names. A flow whose other end is a pod of `ml-system` stands here with
both ends; the policy of that end is made with the pods it is for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from components.autoscaling.names import PORT as ADAPTER_PORT
from components.isolation.flow import Addresses, Flow, Pods, Port
from components.observability import names
from components.workload import labels
from components.workload.isolation import (
    ANYWHERE,
    HTTPS_PORT,
    POD_IDENTITY_AGENT_CIDR,
    POD_IDENTITY_AGENT_PORT,
    PROMETHEUS,
    SCRAPE,
    TRACES,
    TRACKING,
)

NAMESPACES = (labels.MONITORING_NAMESPACE, labels.LOGGING_NAMESPACE, labels.DATA_NAMESPACE)
"""Whose policies are made of these flows."""

KUBELET_PORT = 10250
MESH_PORT = 9094
COLLECTOR_OWN_PORT = 8888
SECRETS_PORT = 8080
LOGS_PORT = 2020
CANARY_CONTROLLER_PORT = 8080

# Where pods find the API server: a policy sees the address of the Service `kubernetes`, before it becomes that of one
# of the API server's interfaces (aws/amazon-network-policy-controller-k8s, pkg/resolvers/endpoints.go: the agent sits
# where Service addresses are not yet translated). It is the first one of the Services' range (kubernetes.io, "Service
# ClusterIP allocation"), which for a cluster that names none EKS takes from these two (Amazon EKS API Reference,
# KubernetesNetworkConfigRequest).
API_SERVER_CIDRS = ("10.100.0.1/32", "172.20.0.1/32")

CANARY_CONTROLLER = Pods(namespace=names.NAMESPACE, application="canary-controller")
OPERATOR = Pods(namespace=names.NAMESPACE, application=names.OPERATOR)
ALERTMANAGER = Pods(namespace=names.NAMESPACE, application=names.ALERTMANAGER)
GRAFANA = Pods(namespace=names.NAMESPACE, application=names.GRAFANA)
STATE_METRICS = Pods(namespace=names.NAMESPACE, application=names.STATE_METRICS)
ADAPTER = Pods(namespace=names.NAMESPACE, application=names.ADAPTER)
SECRETS = Pods(namespace=names.NAMESPACE, application=names.SECRETS)
COLLECTOR = Pods(namespace=names.NAMESPACE, application=names.TRACES)
LOGS = Pods(namespace=labels.LOGGING_NAMESPACE, application=names.LOGS)

_IDENTITY_AGENT = Addresses(cidrs=[POD_IDENTITY_AGENT_CIDR])


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What of the platform's own watching there is in a cluster, and the addresses it has to do with."""

    private_cidrs: Sequence[str]
    """The private subnets, where the nodes lie, the API server's interfaces, and those of AWS services."""
    interface_services: Collection[str]
    """AWS services with an interface in the VPC, such as `logs`: what speaks to them alone need not leave it."""
    replicated: bool
    """Whether there are several Alertmanagers, which then tell each other what they sent."""
    traces: bool
    metrics_adapter: bool
    canary_controller: bool


def data_flows() -> list[Flow]:
    """Those of the namespace `data`."""
    return [TRACKING]


def watching_flows(watched: Watched) -> list[Flow]:
    """Those of `monitoring` and `logging`."""
    return [*_scrapes(watched), *_queries(watched), *_control_plane(watched), *_aws(watched)]


def crossing_ports(flows: Sequence[Flow]) -> tuple[list[int], list[int]]:
    """The TCP ports on which the pods of `monitoring` reach pods elsewhere, and those on which they are reached.

    The former run on the system pool and have the nodes' security group, the latter have one of their own.
    """
    into, out = set[int](), set[int]()
    for flow in flows:
        if isinstance(flow.source, Pods) and isinstance(flow.target, Pods):
            here = [end.namespace == labels.MONITORING_NAMESPACE for end in (flow.source, flow.target)]
            ports = {port.number for port in flow.ports}
            if here == [True, False]:
                into |= ports
            elif here == [False, True]:
                out |= ports
    return sorted(into), sorted(out)


def _scrapes(watched: Watched) -> list[Flow]:
    targets = [
        (OPERATOR, names.OPERATOR_PORT),
        (PROMETHEUS, names.PROMETHEUS_PORT),
        # Where it is told of alerts too.
        (ALERTMANAGER, names.ALERTMANAGER_PORT),
        (GRAFANA, names.GRAFANA_PORT),
        (STATE_METRICS, names.STATE_METRICS_PORT),
        (SECRETS, SECRETS_PORT),
        (LOGS, LOGS_PORT),
        *([(ADAPTER, ADAPTER_PORT)] if watched.metrics_adapter else []),
        *([(COLLECTOR, COLLECTOR_OWN_PORT)] if watched.traces else []),
        *([(CANARY_CONTROLLER, CANARY_CONTROLLER_PORT)] if watched.canary_controller else []),
    ]
    kubelets = Flow(source=PROMETHEUS, target=Addresses(cidrs=watched.private_cidrs), ports=[Port(KUBELET_PORT)])
    pods = [Flow(source=PROMETHEUS, target=target, ports=[Port(port)]) for target, port in targets]
    return [SCRAPE, *pods, kubelets]


def _queries(watched: Watched) -> list[Flow]:
    asking = [
        GRAFANA,
        *([ADAPTER] if watched.metrics_adapter else []),
        *([CANARY_CONTROLLER] if watched.canary_controller else []),
    ]
    mesh = Flow(source=ALERTMANAGER, target=ALERTMANAGER, ports=[Port(MESH_PORT), Port(MESH_PORT, "UDP")])
    return [
        *(Flow(source=source, target=PROMETHEUS, ports=[Port(names.PROMETHEUS_PORT)]) for source in asking),
        Flow(source=GRAFANA, target=ALERTMANAGER, ports=[Port(names.ALERTMANAGER_PORT)]),
        *([mesh] if watched.replicated else []),
        *([TRACES] if watched.traces else []),
    ]


def _control_plane(watched: Watched) -> list[Flow]:
    # Its interfaces beside its Service's address: which of the two a policy sees is the network agent's affair.
    api_server = Addresses(cidrs=[*API_SERVER_CIDRS, *watched.private_cidrs])
    adapter = [ADAPTER] if watched.metrics_adapter else []
    asking = [PROMETHEUS, OPERATOR, STATE_METRICS, SECRETS, LOGS, *adapter]
    calls = [Flow(source=source, target=api_server, ports=[Port(HTTPS_PORT)]) for source in asking]
    interfaces = Addresses(cidrs=watched.private_cidrs)
    return [*calls, *(Flow(source=interfaces, target=target, ports=[Port(ADAPTER_PORT)]) for target in adapter)]


def _aws(watched: Watched) -> list[Flow]:
    callers = [(ALERTMANAGER, "sns"), (SECRETS, "secretsmanager"), (LOGS, "logs")]
    if watched.traces:
        callers.append((COLLECTOR, "xray"))
    if watched.canary_controller:
        # The table, whose gateway endpoint is reached under public addresses; the topic; and Slack.
        callers.append((CANARY_CONTROLLER, "dynamodb"))
    flows: list[Flow] = []
    for source, service in callers:
        inside = service in watched.interface_services
        # A service without an interface in the VPC has public addresses that change, and no name in a policy.
        target = Addresses(cidrs=watched.private_cidrs if inside else [ANYWHERE])
        flows.append(Flow(source=source, target=target, ports=[Port(HTTPS_PORT)]))
        flows.append(Flow(source=source, target=_IDENTITY_AGENT, ports=[Port(POD_IDENTITY_AGENT_PORT)]))
    return flows
