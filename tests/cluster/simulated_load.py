"""Requests that pods share equally, so that an autoscaler closes its loop as it would on real traffic.

What each pod uses besides is in its annotations, where kwok reads it, and the metrics server reads it from kwok.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cluster.api import Api, Object, TookTooLong

# kubernetes-sigs/kwok, kustomize/metrics/usage/usage-from-annotation.yaml.
_CPU = "kwok.x-k8s.io/usage-cpu"
_MEMORY = "kwok.x-k8s.io/usage-memory"
_LOOK_SECONDS = 2


@dataclass(frozen=True, kw_only=True)
class Load:
    """What all pods get together, and what each of them uses whatever it gets."""

    requests_per_second: int
    pod_cpu_millicores: int
    pod_memory_mib: int


class SharedLoad:
    """The pods of a selector, and the load that they share."""

    def __init__(self, api: Api, pods: str, selector: str, load: Load) -> None:
        self._api = api
        self._pods = pods
        self._selector = selector
        self._load = load
        self._stop = threading.Event()

    def change(self, load: Load) -> None:
        self._load = load

    def requests(self) -> dict[str, int]:
        """Milli-requests a second of each running pod, by name."""
        running = self._running(self._api.items(self._pods, labelSelector=self._selector))
        return {name: self._load.requests_per_second * 1000 // len(running) for name in running}

    def follow(self) -> None:
        """Keep the annotations of the pods right until `stop`, of new ones too."""
        while not self._stop.is_set():
            try:
                for state in self._api.states(self._pods, seconds=_LOOK_SECONDS, labelSelector=self._selector):
                    self._annotate(self._running(list(state.values())))
                    if self._stop.is_set():
                        break
            except TookTooLong:
                # Nothing happened to the pods for a while: time to look whether this is to stop.
                continue

    def stop(self) -> None:
        self._stop.set()

    def _annotate(self, running: dict[str, Object]) -> None:
        used = {_CPU: f"{self._load.pod_cpu_millicores}m", _MEMORY: f"{self._load.pod_memory_mib}Mi"}
        for name, pod in running.items():
            known = pod["metadata"].get("annotations", {})
            if any(known.get(key) != value for key, value in used.items()):
                self._api.merge_if_there(f"{self._pods}/{name}", {"metadata": {"annotations": used}})

    @staticmethod
    def _running(pods: list[Object]) -> dict[str, Object]:
        return {
            pod["metadata"]["name"]: pod
            for pod in pods
            if pod.get("status", {}).get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
        }


@contextmanager
def shared(api: Api, pods: str, selector: str, load: Load) -> Generator[SharedLoad]:
    """Put a load on the pods for as long as the block runs."""
    found = SharedLoad(api, pods, selector, load)
    thread = threading.Thread(target=found.follow, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.stop()
        thread.join()
