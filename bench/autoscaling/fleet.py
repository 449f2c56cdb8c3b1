"""Pods from the decision to the first request, and the nodes that have room for them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Timings:
    """What a new pod waits for, in seconds."""

    node: float
    """Until a node that is asked for takes pods."""
    placeholder: float
    """Until a placeholder has gone."""
    image: float
    """Until the image is on the node."""
    start: float
    """From the process's start until it answers."""
    probe: float
    """Until a probe has seen that."""
    target: float
    """Until the load balancer has seen it too, and sends requests."""

    @property
    def pod(self) -> float:
        """From having a node to the first request."""
        return self.image + self.start + self.probe + self.target


@dataclass(eq=False)
class Pod:
    """Times are seconds of the simulation; infinite ones are not known yet."""

    created: float
    bound: float = float("inf")
    serves: float = float("inf")
    scrape_offset: float = 0.0
    """When in Prometheus' interval this pod has its turn."""

    @property
    def runs(self) -> bool:
        """Not for scheduling: whether a node was found."""
        return self.bound < float("inf")


@dataclass
class Fleet:
    """At the start nodes have no room but that of the placeholders: the worst case, and what consolidation aims at."""

    timings: Timings
    pods_per_node: int
    headroom: int
    scrape_interval_seconds: float
    pods: list[Pod] = field(default_factory=list[Pod])
    free: int = 0
    placeholders: int = 0
    """Those that hold room."""
    _nodes: list[float] = field(default_factory=list[float])
    _made: int = 0

    def begin(self, replicas: int) -> None:
        """Pods that have served for long."""
        self.placeholders = self.headroom
        for _ in range(replicas):
            pod = self._new(float("-inf"))
            pod.bound = pod.serves = float("-inf")

    def resize(self, now: float, replicas: int) -> None:
        """Add pods, or remove the newest: Kubernetes takes those that wait, then those that have served least."""
        while len(self.pods) > replicas:
            gone = self.pods.pop()
            self.free += gone.runs
        while len(self.pods) < replicas:
            self._new(now)
        self.advance(now)

    def advance(self, now: float) -> None:
        """Give room to who waits for it, and ask for nodes for the rest."""
        for ready in [ready for ready in self._nodes if ready <= now]:
            self._nodes.remove(ready)
            self.free += self.pods_per_node
        waiting = [pod for pod in self.pods if not pod.runs]
        for pod in waiting:
            if self.free:
                self.free -= 1
                self._bind(pod, now)
            elif self.placeholders:
                self.placeholders -= 1
                self._bind(pod, now + self.timings.placeholder)
        while self.free and self.placeholders < self.headroom:
            self.free -= 1
            self.placeholders += 1
        short = sum(not pod.runs for pod in waiting) + self.headroom - self.placeholders
        while len(self._nodes) * self.pods_per_node < short:
            self._nodes.append(now + self.timings.node)

    def serving(self, now: float) -> int:
        return sum(pod.serves <= now for pod in self.pods)

    def _bind(self, pod: Pod, at: float) -> None:
        pod.bound = at
        pod.serves = at + self.timings.pod

    def _new(self, now: float) -> Pod:
        self._made += 1
        # Multiples of the golden ratio's fraction lie evenly, however many there are.
        pod = Pod(created=now, scrape_offset=self._made * 0.618034 % 1 * self.scrape_interval_seconds)
        self.pods.append(pod)
        return pod
