"""What Fluent Bit reads on a node, what it makes of a line, and where it sends it: its configuration as data.

Options are those of Fluent Bit 5.1 (fluent/fluent-bit: the `config_map` of plugins/in_tail, filter_kubernetes,
filter_parser, filter_modify and out_cloudwatch_logs, and src/flb_config.c). `logs` runs it.
"""

from __future__ import annotations

from typing import Any

from components.observability import names
from components.workload import labels

PORT = 2020
STATE_PATH = "/var/fluent-bit"
"""Where it keeps how far it has read, and what it could not send yet."""
NODE_VARIABLE = "NODE_NAME"
"""Of its environment: the name of the node it runs on."""

BUFFER_MIB = 512
"""What a node keeps of lines that cannot be delivered. Beyond it the oldest are given up, and counted as dropped."""

# Fluent Bit holds a chunk of at most about 2 MB in memory for each of these, and further ones on disk.
_CHUNKS_IN_MEMORY = 32
_BACKLOG_MIB = 16
_LONGEST_LINE = "1m"
# A pod's description, which the Kubernetes API answers with; those of many containers pass the 32 KiB of the default.
_POD_ANSWER = "512k"
_RESCAN_SECONDS = 5
# A file that was rotated is read to its end for as long.
_ROTATED_SECONDS = 30
# By these the health page judges the last minute; it is a matter of readiness alone.
_FAILURES_A_MINUTE = 5

_TAG = "kube"
# What the tail plugin makes of a path: slashes become dots. The Kubernetes filter takes it off again.
_TAG_PREFIX = f"{_TAG}.var.log.containers."
_PARSER = "json-lines"

CONTAINER_LOGS = "/var/log/containers"
"""Links named `<pod>_<namespace>_<container>-<id>.log`, which the kubelet makes: on Bottlerocket as elsewhere."""


def configuration(*, region: str, log_group: str) -> dict[str, Any]:
    """The file that Fluent Bit reads at its start, in its YAML form."""
    return {
        "service": _service(),
        "parsers": [{"name": _PARSER, "format": "json"}],
        "pipeline": {
            "inputs": [_containers()],
            "filters": [_kubernetes(), _json_lines(), _without_framing()],
            "outputs": [_cloudwatch(region, log_group)],
        },
    }


def _service() -> dict[str, Any]:
    return {
        "flush": 1,
        "daemon": "off",
        "log_level": "info",
        "http_server": "on",
        "http_listen": "0.0.0.0",
        "http_port": PORT,
        "health_check": "on",
        "hc_errors_count": _FAILURES_A_MINUTE,
        "hc_retry_failure_count": _FAILURES_A_MINUTE,
        "hc_period": 60,
        "storage.path": f"{STATE_PATH}/buffer",
        "storage.sync": "normal",
        "storage.metrics": "on",
        "storage.max_chunks_up": _CHUNKS_IN_MEMORY,
        "storage.backlog.mem_limit": f"{_BACKLOG_MIB}M",
    }


def _containers() -> dict[str, Any]:
    """Every container's lines but its own, which would feed themselves.

    A pod of Fluent Bit that takes another's place starts without what that one knew, and reads the node's current files
    from their beginning: lines come twice rather than not at all.
    """
    return {
        "name": "tail",
        "tag": f"{_TAG}.*",
        "path": f"{CONTAINER_LOGS}/*.log",
        "exclude_path": f"{CONTAINER_LOGS}/{names.LOGS}-*_{labels.LOGGING_NAMESPACE}_*.log",
        # Puts together what the container runtime cuts at 16 KiB.
        "multiline.parser": "cri",
        "read_from_head": "on",
        "refresh_interval": _RESCAN_SECONDS,
        "rotate_wait": _ROTATED_SECONDS,
        "buffer_max_size": _LONGEST_LINE,
        "skip_long_lines": "on",
        "db": f"{STATE_PATH}/positions.db",
        "storage.type": "filesystem",
    }


def _kubernetes() -> dict[str, Any]:
    """Adds `kubernetes`: pod, namespace, container and labels. A pod cannot ask to be left out or parsed otherwise."""
    return {
        "name": "kubernetes",
        "match": f"{_TAG}.*",
        "kube_tag_prefix": _TAG_PREFIX,
        "buffer_size": _POD_ANSWER,
        "labels": "on",
        "annotations": "off",
        "merge_log": "off",
        "k8s-logging.parser": "off",
        "k8s-logging.exclude": "off",
    }


def _json_lines() -> dict[str, Any]:
    """Lines of the serving namespace, whose programs write a JSON object each: its fields become the event's own.

    What is no JSON stays in `log`, as do the lines of all others, whose fields could have any name and type.
    """
    return {
        "name": "parser",
        "match": f"{_TAG}.*_{labels.SERVING_NAMESPACE}_*",
        "key_name": "log",
        "parser": _PARSER,
        "reserve_data": "on",
    }


def _without_framing() -> dict[str, Any]:
    """Takes off what the container runtime wrote before the line: CloudWatch keeps the time beside each event."""
    return {"name": "modify", "match": f"{_TAG}.*", "remove": ["time", "_p"]}


def _cloudwatch(region: str, log_group: str) -> dict[str, Any]:
    """A stream for each container, named after its node first. What could not be sent is tried until it must go."""
    return {
        "name": "cloudwatch_logs",
        "match": f"{_TAG}.*",
        "region": region,
        "log_group_name": log_group,
        "log_stream_prefix": f"${{{NODE_VARIABLE}}}.",
        # The program makes it, with its key and how long it keeps events.
        "auto_create_group": "off",
        "retry_limit": "no_limits",
        "storage.total_limit_size": f"{BUFFER_MIB}M",
    }
