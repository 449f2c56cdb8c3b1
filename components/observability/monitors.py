"""What Prometheus scrapes by way of Services: a ServiceMonitor each. What takes its token is in `token_scrapes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.observability import names
from components.workload import labels
from components.workload.binding import PROBE_PORT_NAME
from components.workload.labels import Manifest

API_VERSION = "monitoring.coreos.com/v1"
SCRAPE_INTERVAL_SECONDS = 15
SCRAPE_TIMEOUT_SECONDS = 10
METRICS_PATH = "/metrics"
TRACK_LABEL = "track"

WEB_PORT = "web"
"""What the operator calls the port of Prometheus and Alertmanager (`portName`'s default)."""
METRICS_PORT = "metrics"
HTTP_PORT = "http"


@dataclass(frozen=True, kw_only=True)
class Target:
    """Pods behind the Services that carry an application's name, and where they show their metrics."""

    application: str
    namespace: str
    port: str
    """Name of the Service's port."""
    path: str = METRICS_PATH
    service_labels: Sequence[str] = ()
    """Labels of the Service that its series get."""
    speaks_of_others: bool = False
    """Whether labels of its page, such as `namespace` and `pod`, are those of what it tells about and stand."""
    drops: Sequence[str] = ()
    """Labels of the target that its series do not get: they would be told of what has none, and change with the pod."""


SERVING = Target(
    application=labels.APPLICATION,
    namespace=labels.SERVING_NAMESPACE,
    port=PROBE_PORT_NAME,
    service_labels=(TRACK_LABEL,),
)

TARGETS = (
    SERVING,
    Target(application=names.OPERATOR, namespace=names.NAMESPACE, port=HTTP_PORT, speaks_of_others=True),
    Target(application=names.PROMETHEUS, namespace=names.NAMESPACE, port=WEB_PORT),
    Target(application=names.ALERTMANAGER, namespace=names.NAMESPACE, port=WEB_PORT),
    Target(application=names.GRAFANA, namespace=names.NAMESPACE, port=HTTP_PORT),
    Target(
        application=names.STATE_METRICS,
        namespace=names.NAMESPACE,
        port=METRICS_PORT,
        speaks_of_others=True,
        drops=("pod", "container", "service", "endpoint"),
    ),
    Target(application=names.TRACES, namespace=names.NAMESPACE, port=METRICS_PORT),
    Target(application=names.SECRETS, namespace=names.NAMESPACE, port=METRICS_PORT, speaks_of_others=True),
    Target(
        application=names.LOGS,
        namespace=labels.LOGGING_NAMESPACE,
        port=METRICS_PORT,
        path="/api/v2/metrics/prometheus",
    ),
)


def service_monitors(part_of: str) -> list[Manifest]:
    """One for each target. Those whose Service does not exist find nothing to scrape, and are no error."""
    return [service_monitor(target, part_of) for target in TARGETS]


def service_monitor(target: Target, part_of: str) -> Manifest:
    """`job` is the application's name for both tracks of it; `pod`, `namespace`, `service`, `container` and `endpoint`
    are what the operator gives every target, `instance` is its address.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": "ServiceMonitor",
        "metadata": names.metadata(target.application, more=names.read_by_prometheus(part_of)),
        "spec": {
            "jobLabel": labels.NAME_LABEL,
            "selector": {"matchLabels": names.name_labels(target.application)},
            "namespaceSelector": {"matchNames": [target.namespace]},
            **({"targetLabels": list(target.service_labels)} if target.service_labels else {}),
            "endpoints": [_endpoint(target)],
        },
    }


def _endpoint(target: Target) -> Manifest:
    return {
        "port": target.port,
        "path": target.path,
        "scheme": "http",
        "interval": f"{SCRAPE_INTERVAL_SECONDS}s",
        "scrapeTimeout": f"{SCRAPE_TIMEOUT_SECONDS}s",
        "honorLabels": target.speaks_of_others,
        **({"relabelings": [{"action": "labeldrop", "regex": "|".join(target.drops)}]} if target.drops else {}),
        # A metrics page that points elsewhere would take the scrape, and what it carries, with it.
        "followRedirects": False,
    }
