"""Who may call the serving pods and how often: the variables by which the container finds keys, tokens and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.workload.errors import InvalidWorkload
from contract import access, objects, service

REQUIRED, OFF = "required", "off"


@dataclass(frozen=True, kw_only=True)
class TokenIssuer:
    """Whose signed tokens are good beside API keys, for which audience, and where the issuer's public keys lie."""

    issuer: str
    audience: str
    keys_url: str

    def __post_init__(self) -> None:
        if not self.keys_url.startswith("https://"):
            raise InvalidWorkload(f"the issuer's keys are at {self.keys_url!r}: give an https address")


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """What callers must show. The figures hold for each pod by itself."""

    keys_table: pulumi.Input[str]
    keys_refresh_seconds: int
    """How long a new or a revoked key may go unnoticed."""
    requests_per_minute: int
    """Of each credential that names no figure of its own."""
    model_requests_per_minute: Mapping[str, int]
    """Of models that are limited over all callers."""
    token_issuer: TokenIssuer | None

    def __post_init__(self) -> None:
        if self.keys_refresh_seconds < 1:
            raise InvalidWorkload(f"keys_refresh_seconds is {self.keys_refresh_seconds}: give a whole number above 0")
        limits = {"requests_per_minute": self.requests_per_minute}
        for model, requests in self.model_requests_per_minute.items():
            limits[f"model_requests_per_minute of {objects.check_model_name(model)}"] = requests
        for what, requests in limits.items():
            if not 1 <= requests <= access.MOST_REQUESTS_PER_MINUTE:
                raise InvalidWorkload(
                    f"{what} is {requests}: give a whole number from 1 to {access.MOST_REQUESTS_PER_MINUTE}"
                )


def variables(authentication: Authentication | None) -> dict[str, pulumi.Input[str]]:
    """The container's environment variables; None turns authentication off, and with it every limit."""
    if authentication is None:
        return {service.ENV_AUTHENTICATION: OFF}
    found: dict[str, pulumi.Input[str]] = {
        service.ENV_AUTHENTICATION: REQUIRED,
        service.ENV_KEYS_TABLE: authentication.keys_table,
        service.ENV_KEYS_REFRESH_SECONDS: str(authentication.keys_refresh_seconds),
        service.ENV_REQUESTS_PER_MINUTE: str(authentication.requests_per_minute),
    }
    if authentication.model_requests_per_minute:
        limits = sorted(authentication.model_requests_per_minute.items())
        found[service.ENV_MODEL_REQUESTS_PER_MINUTE] = ",".join(f"{model}={requests}" for model, requests in limits)
    if (token := authentication.token_issuer) is not None:
        found[service.ENV_TOKEN_ISSUER] = token.issuer
        found[service.ENV_TOKEN_AUDIENCE] = token.audience
        found[service.ENV_TOKEN_KEYS_URL] = token.keys_url
    return found
