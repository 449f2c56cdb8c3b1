"""Settings of who may call a model and how often."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from contract.access import MOST_REQUESTS_PER_MINUTE
from infra.settings.sections import ModelName, Section

RequestsPerMinute = Annotated[int, Field(ge=1, le=MOST_REQUESTS_PER_MINUTE)]
Word = Annotated[str, Field(pattern=r"^[!-~]+$", max_length=255)]
# Without user or password, which a ConfigMap would show to whoever may read it.
HttpsUrl = Annotated[str, Field(pattern=r"^https://[^\s/?#@]+(?:[/?][^\s#]*)?$", max_length=2048)]


class Access(Section):
    authentication: Literal["required", "off"] = "required"
    """Whether callers must show an API key or a token. With `off`, which only dev and local may set, everybody may
    call as often as they like."""
    keys_refresh_seconds: int = Field(default=10, ge=1, le=300)
    """How often a pod reads the table of API keys: how long a new or a revoked key may go unnoticed."""
    requests_per_minute: RequestsPerMinute = 100
    """Requests that a pod takes in a minute from a credential that names no figure of its own."""
    model_requests_per_minute: dict[ModelName, RequestsPerMinute] = Field(default={})
    """Requests that a pod takes in a minute for a model over all callers: model to figure. Without, as many as come."""
    token_issuer: Word | None = None
    """Issuer (`iss`) whose signed tokens (JWT) are taken beside API keys; it needs the two settings below."""
    token_audience: Word | None = None
    """Audience (`aud`) that a token must be made for."""
    token_keys_url: HttpsUrl | None = None
    """Address (https) of the issuer's public keys, a JSON Web Key Set."""
