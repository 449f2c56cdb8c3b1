"""What the server refuses before a route is asked."""

from __future__ import annotations

from http import HTTPStatus

from serving.engine.limits import Limits
from serving.messages import Refused


def too_many_connections() -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_connections",
        "this server has as many connections as it takes: try again",
        headers=[(b"retry-after", b"1")],
    )


def invalid_http(message: str = "this is no HTTP/1.1 request") -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "invalid_http", message)


def tunnel() -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "no_tunnel", "this server is no proxy")


def version() -> Refused:
    return Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "http_version", "this server speaks HTTP/1.1 and 1.0")


def expectation() -> Refused:
    return Refused(HTTPStatus.EXPECTATION_FAILED, "expectation", "the header Expect may hold 100-continue alone")


def duplicate_header(name: bytes) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "duplicate_header", f"{name.decode()} stands twice")


def too_many_headers(limits: Limits) -> Refused:
    return Refused(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "too_many_headers",
        f"at most {limits.max_headers} headers are taken",
    )


def head_too_large(limits: Limits) -> Refused:
    return Refused(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_large",
        f"the head, or what a chunked body holds besides data, has more than {limits.max_head_bytes} bytes",
    )


def body_too_large(limits: Limits) -> Refused:
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"the body has more than {limits.max_body_bytes} bytes: send fewer rows",
    )


def too_slow() -> Refused:
    return Refused(HTTPStatus.REQUEST_TIMEOUT, "timeout", "the request took too long to arrive")


def unanswered() -> Refused:
    return Refused(HTTPStatus.GATEWAY_TIMEOUT, "timeout", "the answer took too long: try again")


def internal() -> Refused:
    return Refused(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "the server could not answer; give the request id when you report it",
    )
