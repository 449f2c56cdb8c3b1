"""Puts a worker's tracing together: to be made in the worker itself, since threads do not survive a fork."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from serving import VERSION
from serving.tracing.collector import Collector
from serving.tracing.exporter import Exporter, Report
from serving.tracing.settings import TracingSettings
from serving.tracing.tracer import Tracer

FLUSH_SECONDS = 5.0
"""How long the last spans may take while a worker stops."""


class Tracing(NamedTuple):
    """What requests use, and the thread behind it: start it before them, stop it after them."""

    tracer: Tracer
    exporter: Exporter


def tracing_of(
    settings: TracingSettings, *, environment: str, pod_name: str, server_port: int, report: Report
) -> Tracing:
    """`report` is told, from the exporter's thread, how many spans were exported, dropped or failed."""
    resource = {
        "service.name": settings.service_name,
        "service.version": VERSION,
        "service.instance.id": str(uuid.uuid4()),
        "deployment.environment.name": environment,
        "k8s.pod.name": pod_name,
    }
    exporter = Exporter(
        Collector(settings), resource, version=VERSION, timeout_seconds=settings.timeout_ms / 1000, report=report
    )
    tracer = Tracer(settings.sampling, exporter.add, server_address=pod_name, server_port=server_port)
    return Tracing(tracer, exporter)
