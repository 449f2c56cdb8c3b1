"""What the protocols ask of the models in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from contract.metadata import ModelMetadata
from serving.deployments.routing import Routing
from serving.model import Array


class Queue(Protocol):
    """Runs a version elsewhere than on the event loop."""

    def submit(self, inputs: Mapping[str, Array]) -> Awaitable[Mapping[str, Array]]:
        """Raise Refused when the wait would be too long."""
        ...

    async def stop(self, within_seconds: float) -> None:
        """Run what waits within so many seconds, and refuse the rest."""
        ...


class LoadedVersion(Protocol):
    """One version in memory that answers arrays."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def metadata(self) -> ModelMetadata: ...

    @property
    def queue(self) -> Queue | None:
        """Where to run it; None where it answers at once."""
        ...

    def predict(self, inputs: Mapping[str, Array], /) -> Mapping[str, Array]: ...


class LoadedModels(Protocol):
    """The versions that may be asked for."""

    @property
    def default(self) -> str:
        """The model that a request without a name means."""
        ...

    @property
    def missing(self) -> Sequence[str]:
        """Models that were named and have no version yet."""
        ...

    @property
    def routings(self) -> Mapping[str, Routing]:
        """By model: which version answers a request that names none; the current one where there is no routing."""
        ...

    def find(self, name: str, version: str | None = None) -> LoadedVersion | None: ...

    def loaded(self) -> Sequence[LoadedVersion]: ...
