"""What the OpenTelemetry collector takes, holds and sends on: its configuration as data.

Options are those of the contrib distribution 0.160 (open-telemetry/opentelemetry-collector: receiver/otlpreceiver,
processor/{memorylimiterprocessor,batchprocessor}, service/telemetry; -contrib: exporter/awsxrayexporter,
extension/healthcheckextension). `traces` runs it.
"""

from __future__ import annotations

from typing import Any

GRPC_PORT = 4317
HTTP_PORT = 4318
METRICS_PORT = 8888
HEALTH_PORT = 13133

_ANYWHERE = "0.0.0.0"
# Of the container's memory: above the limit spans are refused, and within the spike's reach of it garbage is collected.
_LIMIT_PERCENT = 80
_SPIKE_PERCENT = 20
# PutTraceSegments takes 50 segments at most; the exporter cuts a batch into such calls, one after the other.
_BATCH_SPANS = 500
_BATCH_SECONDS = 1


def configuration(*, region: str, log_groups: list[str]) -> dict[str, Any]:
    """The file that the collector reads at its start.

    It does not sample: the pods decide which requests are recorded, before they cost anything (`traces.variables`).
    """
    return {
        "extensions": {"health_check": {"endpoint": f"{_ANYWHERE}:{HEALTH_PORT}"}},
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"{_ANYWHERE}:{GRPC_PORT}"},
                    "http": {"endpoint": f"{_ANYWHERE}:{HTTP_PORT}"},
                }
            }
        },
        "processors": {
            "memory_limiter": {
                "check_interval": "1s",
                "limit_percentage": _LIMIT_PERCENT,
                "spike_limit_percentage": _SPIKE_PERCENT,
            },
            "batch": {
                "timeout": f"{_BATCH_SECONDS}s",
                "send_batch_size": _BATCH_SPANS,
                "send_batch_max_size": _BATCH_SPANS,
            },
        },
        "exporters": {"awsxray": _xray(region, log_groups)},
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"logs": {"encoding": "json"}, "metrics": {"readers": [_own_metrics()]}},
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    # The limiter first, that it may refuse; the batch last, that it holds what is really sent.
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["awsxray"],
                }
            },
        },
    }


def _xray(region: str, log_groups: list[str]) -> dict[str, Any]:
    """To X-Ray by PutTraceSegments.

    X-Ray takes OTLP too, but only in an account and region whose segments go to CloudWatch Logs (Amazon CloudWatch User
    Guide, "OTLP Endpoints"): one switch for all who share the account, which a single environment must not turn. This
    call works in both states of it.
    """
    return {
        "region": region,
        # X-Ray's console leads from a trace to these groups.
        "aws_log_groups": log_groups,
    }


def _own_metrics() -> dict[str, Any]:
    """The collector's default, open to Prometheus: names stay without the endings of units and types."""
    return {
        "pull": {
            "exporter": {
                "prometheus": {
                    "host": _ANYWHERE,
                    "port": METRICS_PORT,
                    "without_scope_info": True,
                    "without_units": True,
                    "without_type_suffix": True,
                }
            }
        }
    }
