"""The nodes' part of the dashboard on infrastructure, and what is left of quota and volumes."""

from __future__ import annotations

from components.observability.dashboards.panel import Panel, Query, bad_above
from components.observability.rules.limits import WHOLE_PERCENT, Limits
from components.observability.rules.promql import RATE, ratio

OF_NAMESPACE = 'namespace=~"$namespace"'
"""What the reader chose."""


def nodes(limits: Limits) -> list[Panel]:
    used, size = 'container_fs_usage_bytes{id="/"}', 'container_fs_limit_bytes{id="/"}'
    # The largest file system holds images, logs and pods' files; Bottlerocket's own is full from the start.
    largest = f"max by (node, device) ({size}) == on (node) group_left () max by (node) ({size})"
    disk = f"max by (node) ({ratio(f'max by (node, device) ({used})', f'({largest})')})"
    processors = ratio(
        f'sum by (node) (rate(container_cpu_usage_seconds_total{{id="/"}}[{RATE}]))',
        "max by (node) (machine_cpu_cores)",
    )
    memory = ratio('max by (node) (container_memory_working_set_bytes{id="/"})', "max by (node) (machine_memory_bytes)")
    return [
        _by_node("CPU", "Share of a node's processors that is used.", processors, []),
        _by_node(
            "Memory", "Share of a node's memory that the kernel cannot take back.", memory, ["node-under-pressure"]
        ),
        Panel(
            title="Disk",
            description="Share of a node's largest file system that is used: images, logs and what pods write.",
            kind="timeseries",
            unit="percentunit",
            queries=[Query(expression=disk, legend="{{node}}")],
            scale=bad_above(1 - limits.disk_free_percent / WHOLE_PERCENT),
            whole=1,
            runbooks=["node-disk-nearly-full"],
        ),
    ]


def left(limits: Limits) -> list[Panel]:
    def quota(kind: str) -> str:
        return f'max by (namespace, resource) (kube_resourcequota{{{OF_NAMESPACE},type="{kind}"}})'

    volume = ratio(
        f"max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_used_bytes{{{OF_NAMESPACE}}})",
        f"max by (namespace, persistentvolumeclaim) (kubelet_volume_stats_capacity_bytes{{{OF_NAMESPACE}}})",
    )
    return [
        Panel(
            title="Quota used",
            description="Of a namespace; above it no pod is made.",
            kind="bargauge",
            unit="percentunit",
            queries=[Query(expression=ratio(quota("used"), quota("hard")), legend="{{namespace}} {{resource}}")],
            scale=bad_above(limits.quota_used_percent / WHOLE_PERCENT),
            whole=1,
            runbooks=["quota-nearly-used"],
        ),
        Panel(
            title="Volumes used",
            description="Of a full one, what writes to it stops.",
            kind="bargauge",
            unit="percentunit",
            queries=[Query(expression=volume, legend="{{persistentvolumeclaim}}")],
            scale=bad_above(1 - limits.disk_free_percent / WHOLE_PERCENT),
            whole=1,
            runbooks=["volume-nearly-full"],
        ),
        Panel(
            title="Conditions of nodes",
            description="1 where a node says so of itself. It should be ready, and under no pressure.",
            kind="table",
            unit="none",
            queries=[
                Query(
                    expression='max by (node, condition) (kube_node_status_condition{status="true"})', legend="reported"
                )
            ],
            runbooks=["node-not-ready", "node-under-pressure"],
        ),
    ]


def _by_node(title: str, description: str, expression: str, runbooks: list[str]) -> Panel:
    return Panel(
        title=title,
        description=description,
        kind="timeseries",
        unit="percentunit",
        queries=[Query(expression=expression, legend="{{node}}")],
        whole=1,
        runbooks=runbooks,
    )
