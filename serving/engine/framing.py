"""What the head of a request must be so that whoever stands before this server reads it alike: its length, its target,
its host, its version, and what it says of the body.

The parser refuses what is malformed. Here is refused what it lets through: it also reads RTSP, HTTP/0.9 and HTTP/2.0.
"""

from __future__ import annotations

import re
from typing import Protocol, cast

import httptools

from serving.engine import refusals
from serving.engine.limits import Limits
from serving.engine.router import WHOLE_SERVER

REMEMBERED = 256
"""Targets, and hosts, that were found valid and are not looked at again."""
CONTINUE = b"100-continue"
_CHUNKED = b"chunked"
_WHOLE_SERVER = WHOLE_SERVER.encode()
_SCHEMES = (b"http", b"https")
# RFC 3986, 3.2.2: a name, an IPv4 address or one of IPv6 in brackets, and a port.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?")


class Parser(Protocol):
    """What the parser knows of a message whose head it has read."""

    def should_keep_alive(self) -> bool: ...

    def get_http_version(self) -> str: ...


class Framing:
    """Checks the heads of one server's requests."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._targets: dict[bytes, tuple[str, bytes]] = {}
        self._hosts: set[bytes | None] = set()

    def target(self, url: bytes, method: bytes) -> tuple[str, bytes]:
        """The path and the query of a request's target; raise Refused."""
        target = self._targets.get(url)
        if target is None:
            if url == _WHOLE_SERVER and method == b"OPTIONS":
                return WHOLE_SERVER, b""
            target = _split(url)
            if len(self._targets) < REMEMBERED:
                self._targets[url] = target
        return target

    def check(self, headers: dict[bytes, bytes], parser: Parser) -> bool:
        """Raise Refused, or say whether it is HTTP/1.1 and not 1.0."""
        if len(headers) > self._limits.max_headers:
            raise refusals.too_many_headers(self._limits)
        # Without this header, that is so for HTTP/1.1 alone.
        modern = (b"connection" not in headers and parser.should_keep_alive()) or _is_modern(parser.get_http_version())
        host = headers.get(b"host")
        if host not in self._hosts:
            self._check_host(host, modern)
        length, encoding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
        if encoding is not None and (length is not None or encoding.lower() != _CHUNKED or not modern):
            raise refusals.invalid_http("the length of the body is ambiguous")
        if length is not None and int(length) > self._limits.max_body_bytes:
            raise refusals.body_too_large(self._limits)
        if b"expect" in headers and headers[b"expect"].lower() != CONTINUE:
            raise refusals.expectation()
        return modern

    def check_size(self, url: bytes, headers: dict[bytes, bytes]) -> None:
        """Raise Refused for a head that came whole, but is too large."""
        if len(url) + sum(map(len, headers)) + sum(map(len, headers.values())) > self._limits.max_head_bytes:
            raise refusals.head_too_large(self._limits)

    def _check_host(self, host: bytes | None, modern: bool) -> None:
        if host is None:
            if modern:
                raise refusals.invalid_http("the header Host is missing")
        elif _HOST.fullmatch(host) is None:
            raise refusals.invalid_http("the header Host is no host")
        elif len(self._hosts) < REMEMBERED:
            self._hosts.add(host)


def _is_modern(version: str) -> bool:
    if version == "0.9":
        # Also what the parser says of a request line without a version.
        raise refusals.invalid_http()
    if version not in ("1.0", "1.1"):
        raise refusals.version()
    return version == "1.1"


def _split(url: bytes) -> tuple[str, bytes]:
    if b"#" in url:
        # Read past, it would be one path here and another elsewhere.
        raise refusals.invalid_http("a target has no fragment")
    target, _, query = url.partition(b"?")
    if not target.startswith(b"/"):
        # The absolute form, which proxies may send (RFC 9112, 3.2.2).
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserInvalidURLError:
            raise refusals.invalid_http("the target is no path and no URL") from None
        # Each is None where the URL lacks it.
        schema, user = cast(bytes | None, parsed.schema), cast(bytes | None, parsed.userinfo)
        if schema is None or schema.lower() not in _SCHEMES or user is not None:
            raise refusals.invalid_http("the target is no path and no URL of HTTP without user information")
        target, query = parsed.path or b"/", parsed.query or b""
    return target.decode("latin-1"), query
