"""One question before a model runs: may this caller use it, and now? The answer's headers come with it."""

from __future__ import annotations

from collections.abc import Mapping

from serving.access import limits
from serving.access.gate import Gate
from serving.access.limits import Limit, RateLimits
from serving.access.principal import Principal, allow, allow_operator


class Admission:
    """Authenticates, checks the scopes and takes one request out of the caller's bucket and out of the model's.

    `default` holds for credentials that name no limit of their own; a model is limited only if `models` names it.
    """

    def __init__(
        self, gate: Gate, rate_limits: RateLimits, *, default: Limit, models: Mapping[str, Limit] | None = None
    ) -> None:
        self._gate = gate
        self._rate_limits = rate_limits
        self._default = default
        self._models = models or {}

    def admit(self, headers: Mapping[bytes, bytes], model_name: str, *, wall: float, monotonic: float) -> bytes:
        """Header lines for the answer; raise Refused: 401, 403, 429 or 503, and 400 for two credentials.

        `wall` is Unix time, `monotonic` the monotonic clock, both in seconds.
        """
        principal = self._gate.authenticate(headers, wall)
        allow(principal, model_name)
        own = principal.requests_per_minute
        limit = self._default if own is None else limits.per_minute(own)
        of_model = self._models.get(model_name)
        if of_model is None:
            decision = self._rate_limits.check(principal.key_id, limit, monotonic)
        else:
            asked = ((principal.key_id, limit), (f"model:{model_name}", of_model))
            decision = self._rate_limits.check_all(asked, monotonic)
        if not decision.allowed:
            raise limits.refusal(decision)
        return limits.lines(decision)

    def admit_operator(self, headers: Mapping[bytes, bytes], *, wall: float) -> Principal:
        """The caller, who may do what operators do; raise Refused."""
        principal = self._gate.authenticate(headers, wall)
        allow_operator(principal)
        return principal

    def identify(self, headers: Mapping[bytes, bytes], *, wall: float) -> Principal:
        """The caller, of whatever scopes and without counting the request; raise Refused."""
        return self._gate.authenticate(headers, wall)
