"""Who a request comes from and which models it may use, and the refusals of requests that may not."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from contract.access import ANY_MODEL, OPERATOR
from serving.messages import Refused

CHALLENGE = b'Bearer realm="serveml"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """The caller, as its credential says."""

    user_id: str
    key_id: str
    """Names the credential in limits, where a token's begins with `token:`; never part of a secret."""
    scopes: frozenset[str]
    requests_per_minute: int | None = None


class Verified(NamedTuple):
    """A principal, and the Unix time from which its credential must be refused."""

    principal: Principal
    until: float


def allow(principal: Principal, model_name: str) -> None:
    """Raise Refused (403) unless the principal may call the model; call it before looking whether the model exists."""
    scopes = principal.scopes
    if model_name not in scopes and ANY_MODEL not in scopes:
        raise _forbidden("these credentials do not cover the model: ask for one whose scopes name it")


def allow_operator(principal: Principal) -> None:
    """Raise Refused (403) unless the principal may do what operators do."""
    if OPERATOR not in principal.scopes:
        raise _forbidden(f"this is for operators: ask for a credential with the scope {OPERATOR}")


def _forbidden(message: str) -> Refused:
    return Refused(
        HTTPStatus.FORBIDDEN,
        "forbidden",
        message,
        headers=[(b"www-authenticate", CHALLENGE + b', error="insufficient_scope"')],
    )


def missing_credentials() -> Refused:
    # RFC 6750, section 3.1: a request that brought no credentials is told no error code.
    return Refused(
        HTTPStatus.UNAUTHORIZED,
        "unauthenticated",
        "send an API key or a token: Authorization: Bearer <key or token>, or X-API-Key: <key>",
        headers=[(b"www-authenticate", CHALLENGE)],
    )


def invalid_credentials(message: str) -> Refused:
    return Refused(
        HTTPStatus.UNAUTHORIZED,
        "invalid_credentials",
        message,
        headers=[(b"www-authenticate", CHALLENGE + b', error="invalid_token"')],
    )


def cannot_tell(what: str) -> Refused:
    """503 while the service knows no keys yet: a 401 would make a client throw away a good credential."""
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "credentials_unavailable",
        f"the service has not read its {what} yet: try again",
        headers=[(b"retry-after", b"1")],
    )
