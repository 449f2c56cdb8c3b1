"""A node's surroundings for a real Fluent Bit: its log files, and servers that answer as the Kubernetes API, the Pod
Identity agent and CloudWatch Logs would, and remember what they were sent.
"""

from __future__ import annotations

import copy
import datetime
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.observability import fluent_bit
from localcloud import process
from localcloud.moto_server import HOST, free_port

POD_TOKEN = "token-of-the-pod"
NODE = "node-1"
GROUP = "/serveml/test/serveml-test-euw1-cluster/application"
_READY_SECONDS = 20.0
_DELIVERY_SECONDS = 20.0


@dataclass
class Surroundings:
    """What the server was asked; `arrived` is told of each event."""

    arrived: threading.Condition = field(default_factory=threading.Condition)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    """By stream, each event's message as JSON."""
    tokens: set[str | None] = field(default_factory=set[str | None])
    signed: set[bool] = field(default_factory=set[bool])
    refusing: bool = False

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """The events of all streams, once there are so many."""
        with self.arrived:
            self.arrived.wait_for(lambda: len(self._all()) >= count, timeout=_DELIVERY_SECONDS)
            return self._all()

    def wait_for_request(self) -> None:
        with self.arrived:
            self.arrived.wait_for(lambda: bool(self.signed), timeout=_DELIVERY_SECONDS)

    def _all(self) -> list[dict[str, Any]]:
        return [event for events in self.events.values() for event in events]


@dataclass(frozen=True, kw_only=True)
class Node:
    """Where its container runtime writes, and the port of Fluent Bit."""

    logs: Path
    port: int
    surroundings: Surroundings

    def write(self, pod: str, namespace: str, container: str, *lines: str) -> None:
        """As containerd writes a line: time, stream, and whether the line is whole."""
        file = self.logs / f"{pod}_{namespace}_{container}-{'a' * 64}.log"
        with file.open("a") as log:
            log.writelines(f"2026-01-02T03:04:05.678901234Z stdout F {line}\n" for line in lines)

    def write_in_parts(self, pod: str, namespace: str, container: str, *parts: str) -> None:
        """One line that the runtime cut into pieces."""
        file = self.logs / f"{pod}_{namespace}_{container}-{'b' * 64}.log"
        tags = ["P"] * (len(parts) - 1) + ["F"]
        with file.open("a") as log:
            log.writelines(
                f"2026-01-02T03:04:05.678901234Z stdout {tag} {part}\n" for tag, part in zip(tags, parts, strict=True)
            )


@contextmanager
def node(program: str, folder: Path, surroundings: Surroundings) -> Generator[Node]:
    """The program runs with the platform's configuration, but for places and addresses, until the block ends."""
    with ExitStack() as ending:
        cluster = ending.enter_context(_server(surroundings))
        cloudwatch = ending.enter_context(_server(surroundings, _certificate(folder)))
        (folder / "containers").mkdir(exist_ok=True)
        for name, content in {"token": POD_TOKEN, "namespace": "logging"}.items():
            (folder / name).write_text(content)
        port = free_port()
        moved = _moved(folder, port=port, cluster=cluster, cloudwatch=cloudwatch)
        (folder / "fluent-bit.yaml").write_text(yaml.safe_dump(moved))
        variables = {
            "PATH": os.environ["PATH"],
            fluent_bit.NODE_VARIABLE: NODE,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{HOST}:{cluster}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(folder / "token"),
        }
        log = folder / "fluent-bit.log"
        command = [program, "-c", str(folder / "fluent-bit.yaml")]
        child = process.start(command, variables=variables, folder=folder, log=log)
        ending.callback(_stop, child)
        try:
            process.wait_until_answers(f"http://{HOST}:{port}/", child, seconds=_READY_SECONDS)
        except process.NotReady as failed:
            raise AssertionError(f"Fluent Bit {failed}: {log.read_text()[-2000:]}") from failed
        yield Node(logs=folder / "containers", port=port, surroundings=surroundings)


@contextmanager
def _server(surroundings: Surroundings, context: ssl.SSLContext | None = None) -> Generator[int]:
    """Its port, until the block ends."""
    server = ThreadingHTTPServer((HOST, 0), _handler(surroundings))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def _certificate(folder: Path) -> ssl.SSLContext:
    """One that nobody vouches for: CloudWatch Logs is spoken to by TLS alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _moved(folder: Path, *, port: int, cluster: int, cloudwatch: int) -> dict[str, Any]:
    """The configuration with everything on this machine; what is done with a line stays as it is."""
    logs = str(folder / "containers")
    moved = copy.deepcopy(fluent_bit.configuration(region="eu-west-1", log_group=GROUP))
    moved["service"] |= {"http_listen": HOST, "http_port": port, "storage.path": str(folder / "buffer"), "grace": 1}
    [tail] = moved["pipeline"]["inputs"]
    tail |= {
        "path": tail["path"].replace(fluent_bit.CONTAINER_LOGS, logs),
        "exclude_path": tail["exclude_path"].replace(fluent_bit.CONTAINER_LOGS, logs),
        "db": str(folder / "positions.db"),
        "refresh_interval": 1,
    }
    kubernetes = moved["pipeline"]["filters"][0]
    kubernetes |= {
        "kube_tag_prefix": kubernetes["kube_tag_prefix"].replace(
            "var.log.containers", logs.strip("/").replace("/", ".")
        ),
        "kube_url": f"http://{HOST}:{cluster}",
        "kube_token_file": str(folder / "token"),
        "kube_namespace_file": str(folder / "namespace"),
    }
    moved["pipeline"]["outputs"][0] |= {"endpoint": HOST, "port": cloudwatch, "tls.verify": "off"}
    return moved


def _handler(seen: Surroundings) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/v1/credentials":
                seen.tokens.add(self.headers["Authorization"])
                self._answer(_CREDENTIALS)
            elif "/pods/" in self.path:
                self._answer(_pod(*self.path.split("/")[4:7:2]))
            else:
                self._answer({}, 404)

        def do_POST(self) -> None:
            body = cast(dict[str, Any], json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            with seen.arrived:
                seen.signed.add("Credential=AKID/" in self.headers.get("Authorization", ""))
                if seen.refusing:
                    self._answer({"__type": "ServiceUnavailableException"}, 503)
                elif self.headers["X-Amz-Target"].endswith("PutLogEvents"):
                    stream = seen.events.setdefault(f"{body['logGroupName']}:{body['logStreamName']}", [])
                    stream += [json.loads(event["message"]) for event in body["logEvents"]]
                    self._answer({"nextSequenceToken": "1"})
                else:
                    self._answer({})
                seen.arrived.notify_all()

        def _answer(self, body: dict[str, Any], status: int = 200) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: the test says what matters."""

    return Handler


_CREDENTIALS = {
    "AccessKeyId": "AKID",
    "SecretAccessKey": "secret",
    "Token": "session",
    "Expiration": "2099-01-01T00:00:00Z",
}


def _pod(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": "0",
            "labels": {"app.kubernetes.io/name": name.split("-")[0], "track": "stable"},
            "annotations": {"fluentbit.io/exclude": "true", "note": "left out"},
        },
        "spec": {"nodeName": NODE, "containers": []},
        "status": {"containerStatuses": []},
    }
