"""Which credentials are asked for, where they come from, and how often a caller and a model may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from contract import service
from contract.access import MOST_REQUESTS_PER_MINUTE
from contract.objects import check_model_name
from serving.access.limits import DEFAULT_REQUESTS_PER_MINUTE
from serving.access.source import KeySetAddress
from serving.reader import Reader

REQUIRED, OFF = "required", "off"
REFRESH_SECONDS = 10


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Whose tokens are taken, for whom they must be made, and where the issuer's public keys are."""

    issuer: str
    audience: str
    keys_url: str


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """With `authentication` off everybody may call, and nothing is limited."""

    authentication: bool
    keys_table: str | None
    keys_file: Path | None
    keys_refresh_seconds: int
    """How soon a new or revoked key counts, at most."""
    tokens: TokenSettings | None
    requests_per_minute: int
    """Of each credential that names no limit of its own, on one pod."""
    model_requests_per_minute: Mapping[str, int]
    """Of models that are limited over all callers, on one pod."""


def read(reader: Reader) -> AccessSettings:
    """Faults go to the reader."""
    authentication = reader.choice(service.ENV_AUTHENTICATION, REQUIRED, (REQUIRED, OFF)) == REQUIRED
    table = reader.text(service.ENV_KEYS_TABLE, str) if reader.given(service.ENV_KEYS_TABLE) else None
    file = reader.text(service.ENV_KEYS_FILE, Path) if reader.given(service.ENV_KEYS_FILE) else None
    tokens = _tokens(reader)
    if table is not None and file is not None:
        reader.faults.append(
            f"{service.ENV_KEYS_TABLE} and {service.ENV_KEYS_FILE} are both set: keys come from one of them"
        )
    if authentication and table is None and file is None and tokens is None:
        reader.faults.append(
            f"{service.ENV_AUTHENTICATION} is {REQUIRED!r} and no credential could be checked: set "
            f"{service.ENV_KEYS_TABLE}, {service.ENV_KEYS_FILE} or {service.ENV_TOKEN_ISSUER}, or turn it {OFF!r}"
        )
    return AccessSettings(
        authentication=authentication,
        keys_table=table,
        keys_file=file,
        keys_refresh_seconds=reader.number(service.ENV_KEYS_REFRESH_SECONDS, REFRESH_SECONDS, 1, 300),
        tokens=tokens,
        requests_per_minute=reader.number(
            service.ENV_REQUESTS_PER_MINUTE, DEFAULT_REQUESTS_PER_MINUTE, 1, MOST_REQUESTS_PER_MINUTE
        ),
        model_requests_per_minute=reader.text(service.ENV_MODEL_REQUESTS_PER_MINUTE, _per_model, "none"),
    )


def _tokens(reader: Reader) -> TokenSettings | None:
    variables = (service.ENV_TOKEN_ISSUER, service.ENV_TOKEN_AUDIENCE, service.ENV_TOKEN_KEYS_URL)
    given = [variable for variable in variables if reader.given(variable)]
    if not given:
        return None
    if len(given) < len(variables):
        missing = ", ".join(variable for variable in variables if variable not in given)
        reader.faults.append(f"{given[0]} is set and {missing} is not: tokens need all three")
        return None
    issuer, audience, url = variables
    return TokenSettings(
        issuer=reader.text(issuer, str), audience=reader.text(audience, str), keys_url=reader.text(url, _url)
    )


def _url(value: str) -> str:
    KeySetAddress(value)
    return value


def _per_model(value: str) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for entry in [] if value == "none" else value.split(","):
        name, equals, figure = entry.strip().partition("=")
        check_model_name(name)
        if not equals or not (figure.isascii() and figure.isdigit()):
            raise ValueError(f"{entry!r} is no limit: write MODEL=REQUESTS, such as churn=6000, separated by commas")
        if not 1 <= int(figure) <= MOST_REQUESTS_PER_MINUTE:
            raise ValueError(f"{entry!r} is out of range: 1 to {MOST_REQUESTS_PER_MINUTE} requests are allowed")
        found[name] = int(figure)
    return MappingProxyType(found)
