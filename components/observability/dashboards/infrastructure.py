"""What the pods take of the cluster: how many there are, their CPU and memory, the nodes under them, and what is left.

Metrics are those of kube-state-metrics v2.19 (its docs/metrics), of the kubelet and of the cAdvisor in it.
"""

from __future__ import annotations

from components.observability.dashboards.nodes import OF_NAMESPACE, left, nodes
from components.observability.dashboards.panel import (
    Dashboard,
    Panel,
    Query,
    Row,
    Unit,
    Variable,
    Wanted,
    bad_above,
)
from components.observability.rules.limits import WHOLE_PERCENT, Limits
from components.observability.rules.promql import NAMESPACES, RATE, ratio
from components.workload import labels
from components.workload.autoscaling import REQUESTS_METRIC

_DEPLOYMENT = f'{OF_NAMESPACE},deployment=~"$deployment"'
# A pod is named after what made it: with all Deployments chosen, the pods of StatefulSets and DaemonSets come too.
_PODS = f'{OF_NAMESPACE},pod=~"($deployment)-.+"'
_CONTAINERS = f'{_PODS},container!=""'
_OUT_OF_MEMORY_SOON = 0.9


def infrastructure(wanted: Wanted) -> Dashboard:
    limits = wanted.limits
    return Dashboard(
        uid="serveml-infrastructure",
        title="Infrastructure",
        description="Pods, what they take of their nodes, and what is left of nodes, volumes and quota.",
        variables=[
            Variable(
                name="namespace",
                label="Namespace",
                values=f'label_values(kube_pod_status_phase{{namespace=~"{NAMESPACES}"}}, namespace)',
            ),
            Variable(
                name="deployment",
                label="Deployment",
                values=f"label_values(kube_deployment_spec_replicas{{{OF_NAMESPACE}}}, deployment)",
            ),
        ],
        rows=[
            Row(title="Pods", panels=_pods()),
            Row(title="Containers", panels=_containers(limits)),
            Row(title="Nodes", panels=nodes(limits)),
            Row(title="What is left", panels=left(limits)),
        ],
    )


def _pods() -> list[Panel]:
    serving = f'namespace="{labels.SERVING_NAMESPACE}"'

    def scaler(what: str) -> str:
        return f"max by (horizontalpodautoscaler) (kube_horizontalpodautoscaler_{what}{{{OF_NAMESPACE}}})"

    running = f'max by (namespace, pod) (kube_pod_status_phase{{{_PODS},phase="Running"}})'
    unready = f'max by (namespace, pod) (kube_pod_status_ready{{{_PODS},condition="false"}})'

    return [
        Panel(
            title="Pods of Deployments",
            description="Those that are available, and those that should be.",
            kind="timeseries",
            unit="none",
            queries=[
                Query(
                    expression=f"max by (deployment) (kube_deployment_status_replicas_available{{{_DEPLOYMENT}}})",
                    legend="{{deployment}} available",
                ),
                Query(
                    expression=f"max by (deployment) (kube_deployment_spec_replicas{{{_DEPLOYMENT}}})",
                    legend="{{deployment}} wanted",
                ),
            ],
            runbooks=["inference-replicas-low", "replicas-missing", "rollout-stuck"],
        ),
        Panel(
            title="Autoscaler",
            description="How many pods it sees, wants, and may have.",
            kind="timeseries",
            unit="none",
            queries=[
                Query(expression=scaler("status_current_replicas"), legend="{{horizontalpodautoscaler}} has"),
                Query(expression=scaler("status_desired_replicas"), legend="{{horizontalpodautoscaler}} wants"),
                Query(expression=scaler("spec_min_replicas"), legend="{{horizontalpodautoscaler}} at least"),
                Query(expression=scaler("spec_max_replicas"), legend="{{horizontalpodautoscaler}} at most"),
            ],
            runbooks=["autoscaler-at-maximum", "autoscaler-blind"],
        ),
        Panel(
            title="Requests of a pod",
            description="What the autoscaler compares: requests for predictions of a pod on average, and how many it "
            "should get.",
            kind="timeseries",
            unit="reqps",
            queries=[
                Query(expression="avg(pod:http_requests:rate5m)", legend="on average"),
                Query(
                    expression="max(kube_horizontalpodautoscaler_spec_target_metric"
                    f'{{{serving},metric_name="{REQUESTS_METRIC}"}})',
                    legend="target",
                ),
            ],
            runbooks=["autoscaler-at-maximum"],
        ),
        Panel(
            title="Pods by phase",
            description="Pending pods wait for a node or for their images; failed ones were ended by their node.",
            kind="timeseries",
            unit="none",
            queries=[
                Query(expression=f"sum by (phase) (kube_pod_status_phase{{{_PODS}}})", legend="{{phase}}"),
            ],
            stacked=True,
            runbooks=["pod-not-ready"],
        ),
        Panel(
            title="Pods not ready",
            description="Running pods that get no requests because a probe fails.",
            kind="timeseries",
            unit="none",
            queries=[
                Query(
                    expression=f"sum by (namespace) ({running} * {unready})",
                    legend="{{namespace}}",
                )
            ],
            scale=bad_above(1),
            runbooks=["pod-not-ready"],
        ),
        Panel(
            title="Restarts",
            description="Of containers, in the last hour.",
            kind="timeseries",
            unit="none",
            queries=[
                Query(
                    expression="sum by (pod, container) "
                    f"(increase(kube_pod_container_status_restarts_total{{{_PODS}}}[1h]))",
                    legend="{{pod}} {{container}}",
                )
            ],
            scale=bad_above(1),
            runbooks=["pod-crash-looping", "container-out-of-memory"],
        ),
    ]


def _containers(limits: Limits) -> list[Panel]:
    used = f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{_CONTAINERS}}}[{RATE}]))"
    allowed = f'sum by (pod) (kube_pod_container_resource_limits{{{_PODS},resource="cpu"}})'
    memory = f"sum by (pod) (container_memory_working_set_bytes{{{_CONTAINERS}}})"
    most = f"sum by (pod) (container_spec_memory_limit_bytes{{{_CONTAINERS}}})"
    throttled = ratio(
        f"sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{{{_CONTAINERS}}}[{RATE}]))",
        f"sum by (pod) (rate(container_cpu_cfs_periods_total{{{_CONTAINERS}}}[{RATE}]))",
    )
    return [
        _by_pod(
            title="CPU",
            description="Processors that a pod's containers use.",
            unit="suffix:CPU",
            expression=used,
        ),
        _by_pod(
            title="CPU, of the limit",
            description="At the whole of its limit a container is held back.",
            unit="percentunit",
            expression=ratio(used, allowed),
            whole=1,
        ),
        Panel(
            title="Held back by the CPU limit",
            description="Share of the scheduler's periods in which a container had used up its limit.",
            kind="timeseries",
            unit="percentunit",
            queries=[Query(expression=throttled, legend="{{pod}}")],
            scale=bad_above(limits.throttled_percent / WHOLE_PERCENT),
            runbooks=["container-throttled"],
        ),
        _by_pod(
            title="Memory",
            description="Working set of a pod's containers: what the kernel cannot take back.",
            unit="bytes",
            expression=memory,
        ),
        Panel(
            title="Memory, of the limit",
            description="At the whole of its limit a container is killed.",
            kind="timeseries",
            unit="percentunit",
            queries=[Query(expression=ratio(memory, most), legend="{{pod}}")],
            scale=bad_above(_OUT_OF_MEMORY_SOON),
            whole=1,
            runbooks=["container-out-of-memory"],
        ),
        Panel(
            title="Network",
            description="Bytes a second that pods receive and send.",
            kind="timeseries",
            unit="Bps",
            queries=[
                Query(
                    expression=f"sum by (pod) (rate(container_network_{what}_bytes_total{{{_PODS}}}[{RATE}]))",
                    legend=f"{{{{pod}}}} {said}",
                )
                for what, said in (("receive", "receives"), ("transmit", "sends"))
            ],
        ),
    ]


def _by_pod(*, title: str, description: str, unit: Unit, expression: str, whole: float | None = None) -> Panel:
    return Panel(
        title=title,
        description=description,
        kind="timeseries",
        unit=unit,
        queries=[Query(expression=expression, legend="{{pod}}")],
        whole=whole,
    )
