"""A platform whose S3 clients tell a test of their calls, or break them."""

from __future__ import annotations

from typing import Any

from ops.platform import Platform
from tests.lifecycle.versions.world import World


class Watched(Platform):
    """The platform, whose S3 clients tell of an event."""

    def __init__(self, world: World, event: str, handler: Any) -> None:
        super().__init__(world.platform.environment, world.platform.outputs)
        self._event, self._handler = event, handler

    def s3(self, region: str | None = None) -> Any:
        client = super().s3(region)
        # The client is the same at each call.
        client.meta.events.register(self._event, self._handler, unique_id="watched")
        return client
