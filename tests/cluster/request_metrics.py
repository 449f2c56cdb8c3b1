"""`custom.metrics.k8s.io` answered by this process: one metric of pods, whose value the test sets.

It stands where prometheus-adapter would, for as long as a block runs, on a cluster whose API server is on this machine.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from localcloud.moto_server import HOST
from tests.cluster.api import Api, Object, TookTooLong, has_condition

SERVICE = "requests-stand-in"
AVAILABLE_SECONDS = 60
_API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


class OutOfReach(Exception):
    """The API server does not ask this process; the message says why."""


class RequestMetrics:
    """Answers `http_requests_per_second` of each pod, and counts how often it was asked."""

    def __init__(self, group_version: str, metric: str, values: Callable[[], dict[str, int]]) -> None:
        """`values` gives the milli-requests a second of each pod, by name."""
        self.root = f"/apis/{group_version}"
        self.asked = 0
        self._group_version = group_version
        self._metric = metric
        self._values = values

    def answer(self, path: str) -> Object | None:
        """The document at a path (k8s.io/metrics, pkg/apis/custom_metrics/v1beta1/types.go); None where there is none.

        The selector is not looked at: the autoscaler asks for the pods that are counted here, and for no others.
        """
        address = unquote(path.partition("?")[0])
        if address == self.root:
            resource = {"name": f"pods/{self._metric}", "singularName": "", "namespaced": True}
            resource |= {"kind": "MetricValueList", "verbs": ["get"]}
            return {"kind": "APIResourceList", "groupVersion": self._group_version, "resources": [resource]}
        parts = address.removeprefix(f"{self.root}/").split("/")
        if parts[::2] != ["namespaces", "pods", self._metric] or parts[3] != "*":
            return None
        self.asked += 1
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        items = [
            {
                "describedObject": {"kind": "Pod", "namespace": parts[1], "name": name, "apiVersion": "v1"},
                "metricName": self._metric,
                "timestamp": now,
                "value": f"{value}m",
                "selector": None,
            }
            for name, value in self._values().items()
        ]
        return {"kind": "MetricValueList", "apiVersion": self._group_version, "metadata": {}, "items": items}


@contextmanager
def served(metrics: RequestMetrics, folder: Path) -> Generator[int]:
    """Answer over TLS on loopback; yields the port. The folder gets a key and a certificate that nobody checks."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = metrics.answer(self.path)
            body = json.dumps(found or {"kind": "Status", "code": 404, "message": "not found"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Requests are counted, and not written down."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(folder))
    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def registered(api: Api, api_service: Object, port: int) -> Generator[None]:
    """Have the API server send requests for the metric here, in place of where the rendered APIService says.

    Without a proxy for Services the API server reaches one by its external name alone. Raises OutOfReach.
    """
    namespace = api_service["spec"]["service"]["namespace"]
    services = f"/api/v1/namespaces/{namespace}/services"
    ports = [{"name": "https", "port": port}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE}}
    spec = {**api_service["spec"], "service": {"name": SERVICE, "namespace": namespace, "port": port}}
    name = api_service["metadata"]["name"]
    if api.find(f"{_API_SERVICES}/{name}") is not None:
        raise OutOfReach(f"the cluster has a server for {name} already")
    api.create(services, {**service, "spec": {"type": "ExternalName", "externalName": "localhost", "ports": ports}})
    try:
        api.create(_API_SERVICES, {**api_service, "spec": spec})
        try:
            _await_available(api, name)
            yield
        finally:
            api.call("DELETE", f"{_API_SERVICES}/{name}")
    finally:
        api.call("DELETE", f"{services}/{SERVICE}")


def _await_available(api: Api, name: str) -> None:
    try:
        for state in api.states(_API_SERVICES, seconds=AVAILABLE_SECONDS, fieldSelector=f"metadata.name={name}"):
            if name in state and has_condition(state[name], "Available"):
                return
    except TookTooLong as late:
        raise OutOfReach(f"the API server does not reach {HOST} of this machine: {late}") from late


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "requests.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
