"""A deployment's record as requests meet it: which version answers, and which is given a copy."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from random import random

from contract.deployment import BUCKETS, WHOLE_PERCENT, Deployment, bucket

MOST_USER_BYTES = 256
"""Of a user's id: what comes after does not count."""
_BUCKETS_A_PERCENT = BUCKETS // WHOLE_PERCENT


class Routing:
    """Made once for each record; a request keeps the one that it began with."""

    __slots__ = ("_bounds", "_salt", "_shadow_bound", "_versions", "record", "shadow", "sole", "stable")

    def __init__(self, record: Deployment) -> None:
        self.record = record
        self.stable = str(record.stable)
        """What answers in place of a version that is not held."""
        self._versions = [str(weight.version) for weight in record.weights]
        self._bounds = list(accumulate(weight.percent * _BUCKETS_A_PERCENT for weight in record.weights))
        self._salt = record.salt
        self.sole = self._versions[0] if len(self._versions) == 1 else None
        """The version that answers everything, if one does."""
        self.shadow = str(record.shadow.version) if record.shadow else None
        self._shadow_bound = record.shadow.percent * _BUCKETS_A_PERCENT if record.shadow else 0

    def choose(self, user: bytes | None) -> str:
        """The version for a user, who stays with it while the shares are the same; any by its share without an id."""
        if self.sole is not None:
            return self.sole
        at = bucket(self._salt, user[:MOST_USER_BYTES]) if user else int(random() * BUCKETS)
        return self._versions[bisect_right(self._bounds, at)]

    def copies(self) -> bool:
        """Whether this request is one of those that are copied, which has nothing to do with who answers it."""
        return random() * BUCKETS < self._shadow_bound

    def __str__(self) -> str:
        shares = ", ".join(f"{weight.version}={weight.percent}%" for weight in self.record.weights)
        copied = f", {self.shadow} is copied {self._shadow_bound // _BUCKETS_A_PERCENT}%" if self.shadow else ""
        return f"revision {self.record.revision}: {shares}{copied}"
