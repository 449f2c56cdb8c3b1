"""Grafana: shows the dashboards, and keeps nothing. What it shows is provisioned from files; what a pod knows beyond
them, sessions above all, goes with it. It is reached by port-forward alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.cluster.addons import system_pool_placement
from components.kubernetes import apply_manifest
from components.observability import access, dashboards, images, names, pods, services
from components.observability.monitors import HTTP_PORT, SCRAPE_INTERVAL_SECONDS
from components.secrets.secrets import GRAFANA_ADMIN, PASSWORD_FIELD
from components.workload.labels import Manifest
from components.workload.quantities import memory

CHECKSUM_ANNOTATION = "serveml/configuration-sha256"

_PROVISIONING = f"{names.GRAFANA}-provisioning"
_SOURCES_FILE, _PROVIDERS_FILE = "datasources.yaml", "dashboards.yaml"
_PROVISIONING_PATH = "/etc/grafana/provisioning"
_DASHBOARDS_PATH = "/etc/dashboards"
_ADMIN_PATH = "/etc/grafana-admin"
_DATA_PATH, _TMP_PATH = "/var/lib/grafana", "/tmp"
_DATA_MIB, _TMP_MIB = 128, 64
_SIZE = pods.Size(
    cpu_request_millicores=50,
    cpu_limit_millicores=1000,
    memory_request_mib=192,
    memory_limit_mib=512,
    disk_mib=_DATA_MIB + _TMP_MIB + 64,
)

# Sections and keys as in conf/defaults.ini of grafana/grafana; `__FILE` is packaging/docker/run.sh's, which takes the
# value from a file, so that it is not among the container's variables. The port and the paths are the image's own.
SETTINGS: Mapping[str, str] = {
    "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{_ADMIN_PATH}/{PASSWORD_FIELD}",
    "GF_AUTH_ANONYMOUS_ENABLED": "false",
    "GF_USERS_ALLOW_SIGN_UP": "false",
    # Browsers take a secure cookie from http://localhost too, where a port-forward ends; Safari does not.
    "GF_SECURITY_COOKIE_SECURE": "true",
    "GF_SECURITY_COOKIE_SAMESITE": "strict",
    # Nothing is asked of the outside, which the pod could not reach anyway.
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_ANALYTICS_FEEDBACK_LINKS_ENABLED": "false",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
    "GF_SECURITY_DISABLE_GRAVATAR": "true",
    "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
    # Grafana 13 updates the plugins that its image brings, on every start, by deleting them first. On a read-only root
    # filesystem that ends with a data source unloaded (grafana/grafana, issue 132528).
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_PLUGINS_PREINSTALL_AUTO_UPDATE": "false",
    "GF_PLUGINS_PLUGIN_ADMIN_ENABLED": "false",
    # Prometheus evaluates alerts, Alertmanager tells of them.
    "GF_UNIFIED_ALERTING_ENABLED": "false",
    "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{_DASHBOARDS_PATH}/api-overview.json",
    "GF_LOG_CONSOLE_FORMAT": "json",
}


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespace, and what makes the Secret with the password: no pod starts without it."""
    dashboards: dashboards.Wanted
    """The figures that alerts compare with, and where their runbooks are."""


class Grafana(Component, area="observability"):
    """Grafana with the four dashboards, on Prometheus and Alertmanager of the same cluster.

    Children: ServiceAccount, a ConfigMap for what is provisioned, one for each dashboard, Service, Deployment.
    """

    url: pulumi.Output[str]
    """Inside the cluster."""

    def __init__(self, name: str, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        made: list[pulumi.Resource] = []
        for manifest in manifests(self.region, args.dashboards):
            options = self.child(provider=args.provider, deleted_with=args.cluster, depends_on=[*args.after, *made])
            parts = (manifest["metadata"]["name"], str(manifest["kind"]).lower())
            made.append(apply_manifest(self.child_name(*parts), manifest, options))
        self.url = pulumi.Output.from_input(f"http://{names.service_host(names.GRAFANA)}:{names.GRAFANA_PORT}")
        self.finish()


def manifests(region: str, wanted: dashboards.Wanted) -> list[Manifest]:
    """Account, ConfigMaps, Service and Deployment, in the order in which they are needed."""
    metadata = names.metadata(names.GRAFANA)
    configuration = [provisioning(region), *shown(wanted)]
    return [
        access.service_account(metadata),
        *configuration,
        services.service(metadata, names.name_labels(names.GRAFANA), {HTTP_PORT: names.GRAFANA_PORT}),
        deployment(configuration),
    ]


def provisioning(region: str) -> Manifest:
    """Where Grafana finds figures and dashboards, read at its start; JSON is YAML."""
    return _config_map(
        _PROVISIONING,
        {_SOURCES_FILE: json.dumps(_sources(region), indent=2), _PROVIDERS_FILE: json.dumps(_providers(), indent=2)},
    )


def shown(wanted: dashboards.Wanted) -> list[Manifest]:
    """A ConfigMap for each dashboard."""
    return [
        _config_map(f"{names.GRAFANA}-{file.removesuffix('.json')}", {file: content})
        for file, content in dashboards.files(wanted).items()
    ]


def deployment(configuration: Sequence[Manifest]) -> Manifest:
    """One pod: a second would have sessions of its own, and a caller would be logged out at every turn."""
    selector = names.name_labels(names.GRAFANA)
    annotations = {CHECKSUM_ANNOTATION: _checksum(configuration)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(names.GRAFANA),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector, "annotations": annotations}, "spec": _pod(configuration)},
        },
    }


def _sources(region: str) -> dict[str, Any]:
    """Prometheus is called by its region, by which the reader of a dashboard chooses it."""
    common = {"access": "proxy", "editable": False}
    return {
        "apiVersion": 1,
        "datasources": [
            {
                **common,
                "name": region,
                "uid": names.PROMETHEUS,
                "type": "prometheus",
                "url": f"http://{names.service_host(names.PROMETHEUS)}:{names.PROMETHEUS_PORT}",
                "isDefault": True,
                "jsonData": {
                    "httpMethod": "POST",
                    "manageAlerts": False,
                    "prometheusType": "Prometheus",
                    "timeInterval": f"{SCRAPE_INTERVAL_SECONDS}s",
                },
            },
            {
                **common,
                "name": names.ALERTMANAGER,
                "uid": names.ALERTMANAGER,
                "type": "alertmanager",
                "url": f"http://{names.service_host(names.ALERTMANAGER)}:{names.ALERTMANAGER_PORT}",
                "jsonData": {"implementation": "prometheus", "handleGrafanaManagedAlerts": False},
            },
        ],
    }


def _providers() -> dict[str, Any]:
    """What is changed in a browser could not be kept, so it cannot be saved."""
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "serveml",
                "type": "file",
                "allowUiUpdates": False,
                "disableDeletion": True,
                "options": {"path": _DASHBOARDS_PATH},
            }
        ],
    }


def _config_map(name: str, data: dict[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": names.metadata(name, of=names.GRAFANA), "data": data}


def _checksum(configuration: Sequence[Manifest]) -> str:
    """Of all that Grafana reads at its start: the pod is replaced when it changes."""
    data = [manifest["data"] for manifest in configuration]
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _pod(configuration: Sequence[Manifest]) -> Manifest:
    boards = [manifest["metadata"]["name"] for manifest in configuration if _SOURCES_FILE not in manifest["data"]]
    return {
        "serviceAccountName": names.GRAFANA,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pods.pod_security(),
        **system_pool_placement(),
        "containers": [_container()],
        "volumes": [
            {"name": "data", "emptyDir": {"sizeLimit": memory(_DATA_MIB)}},
            # Plugins that are processes of their own are reached by sockets there.
            {"name": "tmp", "emptyDir": {"sizeLimit": memory(_TMP_MIB)}},
            {"name": "admin", "secret": {"secretName": GRAFANA_ADMIN, "items": _as_it_is(PASSWORD_FIELD)}},
            {"name": "datasources", "configMap": {"name": _PROVISIONING, "items": _as_it_is(_SOURCES_FILE)}},
            {"name": "providers", "configMap": {"name": _PROVISIONING, "items": _as_it_is(_PROVIDERS_FILE)}},
            {"name": "dashboards", "projected": {"sources": [{"configMap": {"name": name}} for name in boards]}},
        ],
    }


def _as_it_is(key: str) -> list[dict[str, str]]:
    return [{"key": key, "path": key}]


def _container() -> Manifest:
    def mount(name: str, path: str, *, writes: bool = False) -> Manifest:
        return {"name": name, "mountPath": path, "readOnly": not writes}

    return {
        "name": names.GRAFANA,
        "image": images.GRAFANA.reference,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in SETTINGS.items()],
        "ports": [{"name": HTTP_PORT, "containerPort": names.GRAFANA_PORT, "protocol": "TCP"}],
        "resources": pods.resources(_SIZE),
        "securityContext": pods.container_security(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        # A new database is laid out first, which takes a slow node a while.
        "startupProbe": {**pods.http_probe("/api/health", HTTP_PORT), "failureThreshold": 30},
        "livenessProbe": pods.http_probe("/api/health", HTTP_PORT),
        "readinessProbe": pods.http_probe("/api/health", HTTP_PORT),
        "volumeMounts": [
            mount("data", _DATA_PATH, writes=True),
            mount("tmp", _TMP_PATH, writes=True),
            mount("admin", _ADMIN_PATH),
            mount("datasources", f"{_PROVISIONING_PATH}/datasources"),
            mount("providers", f"{_PROVISIONING_PATH}/dashboards"),
            mount("dashboards", _DASHBOARDS_PATH),
        ],
    }
