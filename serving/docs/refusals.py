"""Which errors each kind of route can answer: the status, and the codes that come with it.

A test holds these lists against the code that raises the errors, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

Refusals = Mapping[HTTPStatus, tuple[str, ...]]

ANY_REQUEST: Refusals = {
    HTTPStatus.BAD_REQUEST: ("invalid_http", "no_tunnel", "duplicate_header"),
    HTTPStatus.REQUEST_TIMEOUT: ("timeout",),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large",),
    HTTPStatus.EXPECTATION_FAILED: ("expectation",),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("head_too_large", "too_many_headers"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("too_many_connections",),
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: ("http_version",),
}
NO_OPERATION: Refusals = {
    HTTPStatus.NOT_FOUND: ("not_found",),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed",),
}
"""Of paths and methods that are none of the document's."""
BAD_CREDENTIALS: Refusals = {
    HTTPStatus.BAD_REQUEST: ("two_credentials",),
    HTTPStatus.UNAUTHORIZED: ("invalid_credentials",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("credentials_unavailable",),
}
NO_CREDENTIALS: Refusals = {HTTPStatus.UNAUTHORIZED: ("unauthenticated",)}
SCOPES: Refusals = {HTTPStatus.FORBIDDEN: ("forbidden",)}
LIMITS: Refusals = {HTTPStatus.TOO_MANY_REQUESTS: ("rate_limited",)}
FINDING: Refusals = {
    HTTPStatus.NOT_FOUND: ("unknown_model",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("no_model",),
}
RUNNING: Refusals = {
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type", "unsupported_encoding"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("inference_failed",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("overloaded", "stopping"),
}
WAITING: Refusals = {HTTPStatus.GATEWAY_TIMEOUT: ("timeout",)}
ROWS: Refusals = {
    HTTPStatus.BAD_REQUEST: (
        "invalid_json",
        "wrong_type",
        "missing_field",
        "unknown_field",
        "repeated_field",
        "empty",
        "too_many_rows",
        "wrong_columns",
        "wrong_shape",
        "out_of_range",
    ),
}
FEATURES: Refusals = {
    HTTPStatus.BAD_REQUEST: ("wrong_length",),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("feature_missing", "feature_too_old"),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("feature_unreadable",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("features_unavailable", "features_overloaded"),
}
TENSORS: Refusals = {HTTPStatus.BAD_REQUEST: ("invalid_request",)}
CHANGING: Refusals = {
    HTTPStatus.BAD_REQUEST: ("invalid_request",),
    HTTPStatus.NOT_FOUND: ("unknown_model",),
    HTTPStatus.CONFLICT: ("not_loaded", "current_version", "not_unloaded"),
}
_ACCESS = (BAD_CREDENTIALS, NO_CREDENTIALS, SCOPES, LIMITS)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What routes have in common: how they may refuse, in which shape, and what other headers any answer may have."""

    name: str
    refusals: tuple[Refusals, ...] = ()
    open_inference: bool = False
    """Whether errors have the shape of that protocol, which has no code."""
    limited: bool = False
    about_a_model: bool = False

    def codes(self, *, authentication: bool) -> dict[HTTPStatus, list[str]]:
        """Codes by status, in the order of the statuses; without `authentication` nobody is asked who they are."""
        found: dict[HTTPStatus, list[str]] = {}
        for refusals in (ANY_REQUEST, *self.refusals):
            if authentication or not any(refusals is other for other in _ACCESS):
                for status, codes in refusals.items():
                    found.setdefault(status, []).extend(codes)
        return dict(sorted(found.items()))

    @property
    def asks_who(self) -> bool:
        return any(refusals is BAD_CREDENTIALS for refusals in self.refusals)

    @property
    def lets_strangers(self) -> bool:
        """Whether a request without credentials is answered, if with less."""
        return not any(refusals is NO_CREDENTIALS for refusals in self.refusals)


_IDENTIFIED = (BAD_CREDENTIALS, NO_CREDENTIALS)
_CALLER = (*_IDENTIFIED, SCOPES, LIMITS, FINDING, RUNNING, WAITING)

PLAIN = Kind(name="Plain")
PROTOCOL = Kind(name="Protocol", open_inference=True)
HEALTH = Kind(name="Health", about_a_model=True)
PREDICT = Kind(name="Predict", refusals=(*_CALLER, ROWS, FEATURES), limited=True, about_a_model=True)
INFER = Kind(name="Infer", refusals=(*_CALLER, TENSORS), open_inference=True, limited=True, about_a_model=True)
METADATA = Kind(name="Metadata", refusals=(*_IDENTIFIED, FINDING), open_inference=True, about_a_model=True)
INDEX = Kind(name="Index", refusals=(*_IDENTIFIED, TENSORS), open_inference=True)
CHANGE = Kind(name="Change", refusals=(*_IDENTIFIED, SCOPES, CHANGING, WAITING), open_inference=True)
OPERATORS = Kind(name="Operators", refusals=(*_IDENTIFIED, SCOPES))
DESCRIPTION = Kind(name="Description", refusals=(BAD_CREDENTIALS,))

KINDS = (PLAIN, PROTOCOL, HEALTH, PREDICT, INFER, METADATA, INDEX, CHANGE, OPERATORS, DESCRIPTION)
