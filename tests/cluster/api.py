"""The API server of the cluster under test, by way of `kubectl`, which knows what a KUBECONFIG may hold.

`kubectl apply` validates objects as an operator's would be; all else is plain HTTP to a `kubectl proxy` on loopback.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from localcloud.moto_server import HOST, free_port
from localcloud.process import end, start, wait_until_answers

Object = dict[str, Any]

# Generous, for a machine that has much else to do; nothing waits so long when all is well.
ANSWER_SECONDS = 60
PROXY_SECONDS = 60
APPLY_SECONDS = 180
STOP_SECONDS = 10

MERGE = "application/merge-patch+json"
_JSON = "application/json"


class Refused(Exception):
    """The API server answered with an error; the message is its own."""

    def __init__(self, status: int, body: Object) -> None:
        super().__init__(f"{status}: {body.get('message', body)}")
        self.status = status


class TookTooLong(Exception):
    """What was waited for did not come about; the message says what was seen last."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What `kubectl apply` did: a line for each object, and whatever it or the API server had to object."""

    accepted: Sequence[str]
    complaints: str


class Api:
    """Requests by path, with JSON in and out."""

    def __init__(self, port: int) -> None:
        self._port = port

    def call(self, method: str, path: str, body: object = None, content_type: str = _JSON) -> Object:
        """The answer's body; raises Refused."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=ANSWER_SECONDS)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": content_type})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        answer = _parsed(text)
        if response.status >= 400:
            raise Refused(response.status, answer)
        return answer

    def get(self, path: str) -> Object:
        return self.call("GET", path)

    def find(self, path: str) -> Object | None:
        """As `get`, and None where there is no such object, or no such kind."""
        try:
            return self.get(path)
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise

    def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """Make an object; on a dry run it passes admission and is then forgotten."""
        return self.call("POST", f"{path}?dryRun=All" if dry_run else path, body)

    def merge(self, path: str, body: Object) -> Object:
        return self.call("PATCH", path, body, MERGE)

    def merge_if_there(self, path: str, body: Object) -> None:
        """As `merge`, for an object that may be gone by now."""
        try:
            self.merge(path, body)
        except Refused as refusal:
            if refusal.status != 404:
                raise

    def items(self, path: str, **query: str) -> list[Object]:
        return self.listing(path, **query)[0]

    def listing(self, path: str, **query: str) -> tuple[list[Object], str]:
        """The objects of a collection, and the version from which `changes` go on."""
        answer = self.get(f"{path}?{urlencode(query)}")
        return answer["items"], answer["metadata"]["resourceVersion"]

    def changes(self, path: str, since: str, *, seconds: float, **query: str) -> Iterator[tuple[str, Object]]:
        """What happened to a collection's objects from a version on, each as ADDED, MODIFIED or DELETED and the object.

        Ends after so many seconds. Without waiting for more: `seconds=1`, since past changes are sent at once.
        """
        last = time.monotonic() + seconds
        limit = str(max(1, int(seconds)))
        asked = urlencode({**query, "watch": "1", "resourceVersion": since, "timeoutSeconds": limit})
        connection = http.client.HTTPConnection(HOST, self._port, timeout=seconds + ANSWER_SECONDS)
        try:
            connection.request("GET", f"{path}?{asked}")
            response = connection.getresponse()
            while time.monotonic() < last and (line := response.readline()):
                event = cast(Object, json.loads(line))
                if event["type"] == "ERROR":
                    raise Refused(int(event["object"].get("code", 500)), event["object"])
                yield event["type"], event["object"]
        finally:
            connection.close()

    def states(self, path: str, *, seconds: float, **query: str) -> Iterator[dict[str, Object]]:
        """A collection's objects by name: now, and after each change. Raises TookTooLong when the time is over."""
        found, version = self.listing(path, **query)
        state = {item["metadata"]["name"]: item for item in found}
        yield state
        for happened, item in self.changes(path, version, seconds=seconds, **query):
            name = item["metadata"]["name"]
            state = {key: value for key, value in state.items() if key != name}
            if happened != "DELETED":
                state[name] = item
            yield state
        raise TookTooLong(f"{path} after {seconds:.0f} s: {json.dumps([_status(item) for item in state.values()])}")


@contextmanager
def proxied(kubectl: str, log: Path) -> Generator[Api]:
    """The API server that KUBECONFIG names, for as long as the block runs."""
    port = free_port()
    process = start([kubectl, "proxy", f"--port={port}", f"--address={HOST}"], log=log)
    try:
        wait_until_answers(f"http://{HOST}:{port}/version", process, seconds=PROXY_SECONDS)
        yield Api(port)
    finally:
        end(process, seconds=STOP_SECONDS)


def apply(kubectl: str, objects: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> Applied:
    """Have the API server validate and take objects: an unknown field is an error, and so is a warning."""
    command = [kubectl, "apply", "--server-side", "--force-conflicts", "--field-manager=serveml-cluster-tests"]
    command += ["--validate=strict", "--warnings-as-errors", "--filename=-"]
    if dry_run:
        command.append("--dry-run=server")
    # Documents one by one, so that what is wrong with one keeps no other out. JSON is YAML.
    documents = "\n---\n".join(json.dumps(item) for item in objects)
    done = subprocess.run(command, input=documents, capture_output=True, text=True, timeout=APPLY_SECONDS, check=False)
    return Applied(accepted=done.stdout.splitlines(), complaints=done.stderr.strip())


def has_condition(item: Object, kind: str) -> bool:
    """Whether the object's controller says so."""
    conditions = cast(list[Object], item.get("status", {}).get("conditions") or [])
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)


def _parsed(text: bytes) -> Object:
    try:
        return cast(Object, json.loads(text))
    except ValueError:
        return {"message": text.decode(errors="replace")}


def _status(item: Object) -> Object:
    return {"name": item["metadata"]["name"], "status": item.get("status")}
