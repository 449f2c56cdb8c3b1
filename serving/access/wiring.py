"""One worker's access: its keys and tokens, the threads that refresh them, and the limits it shares with the others."""

from __future__ import annotations

from typing import Any

from serving.access import source
from serving.access.admission import Admission
from serving.access.gate import Gate
from serving.access.keys import KeyRing
from serving.access.limits import RateLimits, per_minute
from serving.access.memory import SharedMemory
from serving.access.settings import AccessSettings, TokenSettings
from serving.access.source import KeyFile, KeySetAddress, KeyTable, Refresher
from serving.access.tokens import Tokens

ISSUER_REFRESH_SECONDS = 300


class Access:
    """Credentials that can be checked once `ready`, by the `admission`; start it in the worker, not before the fork."""

    def __init__(self, settings: AccessSettings, memory: SharedMemory, worker: int) -> None:
        self._ring = KeyRing()
        self._tokens: Tokens | None = None
        self._refreshers: list[Refresher[Any]] = []
        keys = _keys(settings)
        if keys is None:
            # Tokens alone: no API key is good.
            self._ring.replace(())
        else:
            every = settings.keys_refresh_seconds
            self._refreshers.append(Refresher("API keys", keys, self._ring.replace, every_seconds=every))
        if settings.tokens is not None:
            self._tokens = self._follow(settings.tokens)
        self.admission = Admission(
            Gate(self._ring, self._tokens),
            RateLimits(memory, worker),
            default=per_minute(settings.requests_per_minute),
            models={name: per_minute(most) for name, most in settings.model_requests_per_minute.items()},
        )

    @property
    def ready(self) -> bool:
        """Whether the keys and the issuer's keys have been read once."""
        return self._ring.snapshot is not None and (self._tokens is None or self._tokens.keys is not None)

    def start(self) -> None:
        for refresher in self._refreshers:
            refresher.start()

    def stop(self) -> None:
        for refresher in self._refreshers:
            refresher.stop()

    def _follow(self, settings: TokenSettings) -> Tokens:
        tokens = Tokens(issuer=settings.issuer, audience=settings.audience, on_unknown_key=lambda: refresher.ask())
        address = KeySetAddress(settings.keys_url)
        refresher = Refresher("the issuer's keys", address, tokens.replace, every_seconds=ISSUER_REFRESH_SECONDS)
        self._refreshers.append(refresher)
        return tokens


def _keys(settings: AccessSettings) -> KeyTable | KeyFile | None:
    if settings.keys_table is not None:
        return KeyTable(source.client(), settings.keys_table)
    if settings.keys_file is not None:
        return KeyFile(settings.keys_file)
    return None
