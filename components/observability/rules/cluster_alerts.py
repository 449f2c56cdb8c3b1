"""Alerts on pods, their number, and what they take of nodes, volumes and quota.

Metrics are those of kube-state-metrics (its docs/metrics), of the kubelet and of the cAdvisor in it.
"""

from __future__ import annotations

from components.observability.rules.limits import Limits
from components.observability.rules.promql import MINUTE, NAMESPACES, RATE, ratio, share
from components.observability.rules.rule import Alert, Group
from components.workload import labels

_OURS = f'namespace=~"{NAMESPACES}"'
_SERVING = f'namespace="{labels.SERVING_NAMESPACE}"'


def cluster_alerts(limits: Limits) -> list[Group]:
    return [
        Group(name="cluster-pods-alerts", rules=_pods()),
        Group(name="cluster-workloads-alerts", rules=_workloads()),
        Group(name="cluster-resources-alerts", rules=_resources(limits)),
        Group(name="cluster-nodes-alerts", rules=_nodes(limits)),
    ]


def _pods() -> list[Alert]:
    waiting = f'kube_pod_container_status_waiting_reason{{{_OURS},reason="CrashLoopBackOff"}}'
    killed = f'kube_pod_container_status_last_terminated_reason{{{_OURS},reason="OOMKilled"}}'
    return [
        Alert(
            name="PodCrashLooping",
            # A container leaves the state for each new attempt.
            expression=f"max by (namespace, pod, container) (max_over_time({waiting}[5m])) >= 1",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="pod-crash-looping",
            summary="A container ends again and again soon after its start",
            description="{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }} has been in "
            "CrashLoopBackOff for ten minutes.",
        ),
        Alert(
            name="PodNotReady",
            # Pods that have ended are not ready either, and rightly; a pod without a node has no such condition yet.
            expression=f'max by (namespace, pod) (kube_pod_status_phase{{{_OURS},phase=~"Pending|Unknown"}}) == 1\n'
            f'or\nmax by (namespace, pod) (kube_pod_status_ready{{{_OURS},condition="true"}}) == 0\n'
            f'and on (namespace, pod) kube_pod_status_phase{{{_OURS},phase="Running"}} == 1',
            severity="warning",
            for_seconds=15 * MINUTE,
            page="pod-not-ready",
            summary="A pod does not become ready",
            description="{{ $labels.namespace }}/{{ $labels.pod }} has not been ready for 15 minutes.",
        ),
        Alert(
            name="ContainerOutOfMemory",
            expression=f"max by (namespace, pod, container) ({killed}) == 1\n"
            f"and max by (namespace, pod, container) "
            f"(increase(kube_pod_container_status_restarts_total{{{_OURS}}}[15m])) > 0",
            severity="warning",
            for_seconds=0,
            page="container-out-of-memory",
            summary="A container was killed because it reached its memory limit",
            description="{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }} was killed for want of "
            "memory in the last 15 minutes.",
        ),
    ]


def _workloads() -> list[Alert]:
    # The serving pods' own number has an alert of its own, which wakes somebody.
    others = f'{_OURS},namespace!="{labels.SERVING_NAMESPACE}"'
    return [
        Alert(
            name="DeploymentReplicasMissing",
            expression=f"max by (namespace, deployment) (kube_deployment_spec_replicas{{{others}}})\n"
            f"- max by (namespace, deployment) (kube_deployment_status_replicas_available{{{others}}}) > 0",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="replicas-missing",
            summary="A Deployment has fewer available pods than it should have",
            description="{{ $value }} pods of {{ $labels.namespace }}/{{ $labels.deployment }} are missing.",
        ),
        Alert(
            name="StatefulSetReplicasMissing",
            expression=f"max by (namespace, statefulset) (kube_statefulset_replicas{{{_OURS}}})\n"
            f"- max by (namespace, statefulset) (kube_statefulset_status_replicas_ready{{{_OURS}}}) > 0",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="replicas-missing",
            summary="A StatefulSet has fewer ready pods than it should have",
            description="{{ $value }} pods of {{ $labels.namespace }}/{{ $labels.statefulset }} are missing.",
        ),
        Alert(
            name="DaemonSetPodsMissing",
            expression="max by (namespace, daemonset) "
            f"(kube_daemonset_status_desired_number_scheduled{{{_OURS}}})\n"
            f"- max by (namespace, daemonset) (kube_daemonset_status_number_available{{{_OURS}}}) > 0",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="replicas-missing",
            summary="A DaemonSet has no available pod on some nodes",
            description="{{ $labels.namespace }}/{{ $labels.daemonset }} has no available pod on {{ $value }} nodes.",
        ),
        Alert(
            name="DeploymentRolloutStuck",
            expression="max by (namespace, deployment) (kube_deployment_status_condition"
            f'{{{_OURS},condition="Progressing",status="false"}}) == 1',
            severity="warning",
            for_seconds=5 * MINUTE,
            page="rollout-stuck",
            summary="A rollout makes no progress",
            description="{{ $labels.namespace }}/{{ $labels.deployment }} has passed its deadline for a rollout; the "
            "pods of before go on running.",
        ),
        Alert(
            name="AutoscalerAtMaximum",
            expression="max by (namespace, horizontalpodautoscaler) "
            f"(kube_horizontalpodautoscaler_status_current_replicas{{{_OURS}}})\n"
            ">= max by (namespace, horizontalpodautoscaler) "
            f"(kube_horizontalpodautoscaler_spec_max_replicas{{{_OURS}}})",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="autoscaler-at-maximum",
            summary="An autoscaler may not add pods any more",
            description="{{ $labels.namespace }}/{{ $labels.horizontalpodautoscaler }} has been at its {{ $value }} "
            "pods, the most it may have, for 15 minutes.",
        ),
        Alert(
            name="AutoscalerBlind",
            expression="max by (namespace, horizontalpodautoscaler) (kube_horizontalpodautoscaler_status_condition"
            f'{{{_OURS},condition="ScalingActive",status="false"}}) == 1',
            severity="warning",
            for_seconds=10 * MINUTE,
            page="autoscaler-blind",
            summary="An autoscaler gets none of its metrics",
            description="{{ $labels.namespace }}/{{ $labels.horizontalpodautoscaler }} cannot compute how many pods "
            "are needed: their number stays as it is.",
        ),
    ]


def _resources(limits: Limits) -> list[Alert]:
    def quota(kind: str) -> str:
        return f'max by (namespace, resourcequota, resource) (kube_resourcequota{{{_OURS},type="{kind}"}})'

    throttled = ratio(
        "sum by (namespace, pod, container) "
        f'(rate(container_cpu_cfs_throttled_periods_total{{{_SERVING},container!=""}}[{RATE}]))',
        "sum by (namespace, pod, container) "
        f'(rate(container_cpu_cfs_periods_total{{{_SERVING},container!=""}}[{RATE}]))',
    )
    free = ratio(
        f"min by (namespace, persistentvolumeclaim) (kubelet_volume_stats_available_bytes{{{_OURS}}})",
        f"max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_capacity_bytes{{{_OURS}}})",
    )
    return [
        Alert(
            name="QuotaNearlyUsed",
            expression=f"{ratio(quota('used'), quota('hard'))} > {share(limits.quota_used_percent)}",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="quota-nearly-used",
            summary=f"More than {limits.quota_used_percent:g}% of a namespace's quota is used",
            description="{{ $value | humanizePercentage }} of {{ $labels.resource }} in {{ $labels.namespace }} is "
            "used; above the quota no pod is made.",
        ),
        Alert(
            name="ContainerThrottled",
            expression=f"{throttled} > {share(limits.throttled_percent)}",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="container-throttled",
            summary="A serving pod is held back by its CPU limit",
            description="{{ $labels.container }} of {{ $labels.pod }} had used up its CPU limit in "
            "{{ $value | humanizePercentage }} of the periods of the last five minutes.",
        ),
        Alert(
            name="VolumeNearlyFull",
            expression=f"{free} < {share(limits.disk_free_percent)}",
            severity="critical",
            for_seconds=5 * MINUTE,
            page="volume-nearly-full",
            summary=f"Less than {limits.disk_free_percent:g}% of a volume is free",
            description="{{ $value | humanizePercentage }} of the volume of {{ $labels.namespace }}/"
            "{{ $labels.persistentvolumeclaim }} is free.",
        ),
    ]


def _nodes(limits: Limits) -> list[Alert]:
    used, size = ('container_fs_usage_bytes{id="/"}', 'container_fs_limit_bytes{id="/"}')
    by = "(instance, node, device)"
    # A node's largest file system is where images, logs and pods' files lie. On Bottlerocket, which EKS Auto Mode
    # runs, the operating system's own is read-only and full from the start.
    largest = f"max by {by} ({size}) == on (instance) group_left () max by (instance) ({size})"
    return [
        Alert(
            name="NodeDiskNearlyFull",
            expression=f"1 - max by {by} ({used}) / (max by {by} ({size}) > 0) < {share(limits.disk_free_percent)}\n"
            f"and on (instance, device) ({largest})",
            severity="warning",
            for_seconds=5 * MINUTE,
            page="node-disk-nearly-full",
            summary=f"Less than {limits.disk_free_percent:g}% of a node's disk is free",
            description="{{ $value | humanizePercentage }} of {{ $labels.device }} of the node {{ $labels.node }} is "
            "free; the kubelet evicts pods soon, or does already.",
        ),
        Alert(
            name="NodeUnderPressure",
            expression="max by (node, condition) (kube_node_status_condition"
            '{condition=~"DiskPressure|MemoryPressure|PIDPressure",status="true"}) == 1',
            severity="warning",
            for_seconds=5 * MINUTE,
            page="node-under-pressure",
            summary="A node runs out of disk, memory or processes",
            description="The node {{ $labels.node }} reports {{ $labels.condition }}: its kubelet evicts pods.",
        ),
        Alert(
            name="NodeNotReady",
            expression='max by (node) (kube_node_status_condition{condition="Ready",status="true"}) == 0',
            severity="warning",
            for_seconds=10 * MINUTE,
            page="node-not-ready",
            summary="A node is not ready",
            description="The node {{ $labels.node }} has not been ready for ten minutes.",
        ),
    ]
