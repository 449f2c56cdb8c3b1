"""What the container counts and times: cheap to write, summed over the workers, read by Prometheus."""

from serving.metrics.container import FAILED, INVALID, OK, Metrics
from serving.metrics.memory import MetricsMemory

__all__ = ["FAILED", "INVALID", "OK", "Metrics", "MetricsMemory"]
