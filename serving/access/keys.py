"""The API keys that are valid now, in memory: looked up without I/O and replaced as a whole."""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from contract.access import ApiKeyRecord, digest_of, key_id_of
from serving.access.principal import Principal, Verified, cannot_tell, invalid_credentials

_NO_DIGEST = "0" * 64
_UNKNOWN = "the API key is not known: check that it was copied whole"


class _Known(NamedTuple):
    principal: Principal
    digest: str
    expires_at: float
    revoked: bool


class KeyRing:
    """A snapshot of the keys. Any thread may replace it: readers see the old one or the new one, never a mixture."""

    def __init__(self) -> None:
        self.snapshot: Mapping[str, _Known] | None = None
        """None until the first records came; another object after each replacement that changed something."""

    def replace(self, records: Iterable[ApiKeyRecord]) -> None:
        """Take these for all the keys there are; a key that is revoked or gone is refused from here on."""
        snapshot = {record.key_id: _known(record) for record in records}
        # An unchanged snapshot stays the same object, so that what was verified against it stays remembered.
        if snapshot != self.snapshot:
            self.snapshot = snapshot

    def verify(self, text: str, now: float) -> Verified:
        """Whose key this is; raise Refused. `now` is Unix time."""
        snapshot = self.snapshot
        if snapshot is None:
            raise cannot_tell("API keys")
        key_id = key_id_of(text)
        known = snapshot.get(key_id) if key_id else None
        # Digest and comparison happen for unknown ids too: the time taken tells nobody which ids exist.
        matches = hmac.compare_digest(digest_of(text), _NO_DIGEST if known is None else known.digest)
        if known is None or not matches:
            raise invalid_credentials(_UNKNOWN)
        if known.revoked:
            raise invalid_credentials("the API key was revoked: ask for a new one")
        if now >= known.expires_at:
            raise invalid_credentials("the API key has expired: ask for a new one")
        return Verified(known.principal, known.expires_at)


def _known(record: ApiKeyRecord) -> _Known:
    return _Known(
        Principal(
            user_id=record.user_id,
            key_id=record.key_id,
            scopes=frozenset(record.scopes),
            requests_per_minute=record.requests_per_minute,
        ),
        record.digest,
        math.inf if record.expires_at is None else record.expires_at,
        # A revocation cannot be dated ahead: the hand that writes one wants the key dead now, whatever its clock says.
        record.revoked_at is not None,
    )
