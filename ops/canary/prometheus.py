"""Asks a Prometheus for series by its HTTP API, within a time and a size. What to ask is left to `measurements`."""

from __future__ import annotations

import http.client
import math
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ops.outbound import NoRedirects, cause_of, is_loopback

TIMEOUT_SECONDS = 3.0
"""For each wait, and twice that for a whole answer."""
MOST_BYTES = 16 * 1024 * 1024
"""Ten minutes of twenty pods that are scraped every five seconds take about a sixteenth."""

_READ_BYTES = 64 * 1024
_SAID_CHARACTERS = 200
_AWAY_STATUSES = frozenset({408, 429})
_FIRST_SERVER_ERROR = 500
_REDIRECTS = range(300, 400)
_FORBIDDEN = (401, 403)


class PrometheusAway(RuntimeError):
    """It did not answer, not in time, or not in full: the same question may be answered later."""


class PrometheusRefused(ValueError):
    """The address, the query or the rights are wrong: asking again would not help."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Labels with the metric's name under `__name__`, and samples as (milliseconds since 1970, value), oldest first."""

    labels: Mapping[str, str]
    samples: tuple[tuple[int, float], ...]


class _Found(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct, rename="camel"):
    result_type: str
    result: list[_Found]


class _Answer(msgspec.Struct):
    status: str
    data: _Data
    warnings: list[str] = []


class _Failure(msgspec.Struct):
    error: str


class Prometheus:
    """One server, by its base address. `token_file` is read anew for each question, since tokens are renewed."""

    def __init__(
        self,
        address: str,
        *,
        ca_file: Path | None = None,
        token_file: Path | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Raise PrometheusRefused for an address, a CA or a token that must not or cannot be used."""
        self.where = _checked(address, token_file is not None)
        self._token_file = token_file
        self._timeout_seconds = timeout_seconds
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise PrometheusRefused(f"{ca_file} holds no certificates that can be read: {cause_of(error)}") from None
        # Named by the operator, reached directly: an address inside the network means nothing to a proxy.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), NoRedirects()
        )

    def query(self, query: str, at_ms: int) -> list[Series]:
        """What the query gives at a moment, in milliseconds since 1970; raise PrometheusAway or PrometheusRefused."""
        form = urllib.parse.urlencode({"query": query, "time": f"{at_ms / 1000:.3f}"}).encode()
        asked = urllib.request.Request(f"{self.where}/api/v1/query", data=form, headers=self._headers())
        try:
            with self._opener.open(asked, timeout=self._timeout_seconds) as answer:
                body = self._read(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise self._failure(error) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise PrometheusRefused(
                    f"{self.where} shows a certificate that is not trusted here: name the file of its CA"
                ) from None
            raise PrometheusAway(f"Prometheus at {self.where} cannot be reached: {cause_of(error.reason)}") from None
        except (OSError, http.client.HTTPException) as error:
            raise PrometheusAway(f"Prometheus at {self.where} broke off: {cause_of(error)}") from None
        return self._series(body)

    def _headers(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            token = self._token_file.read_text("ascii").strip()
        except (OSError, UnicodeError) as error:
            raise PrometheusRefused(f"no token can be read from {self._token_file}: {type(error).__name__}") from None
        if not token or not token.isprintable():
            raise PrometheusRefused(f"{self._token_file} holds no token: one line of printable characters is expected")
        return {"Authorization": f"Bearer {token}"}

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        """The body; the deadline is for the whole, since each wait has one of its own only."""
        deadline = time.monotonic() + self._timeout_seconds
        body = bytearray()
        while piece := answer.read1(_READ_BYTES):
            body += piece
            if len(body) > MOST_BYTES:
                raise PrometheusRefused(
                    f"Prometheus at {self.where} answers with more than {MOST_BYTES} bytes: name fewer pods by labels"
                )
            if time.monotonic() > deadline:
                raise PrometheusAway(f"Prometheus at {self.where} took longer than {self._timeout_seconds:g} s")
        if answer.length:
            raise PrometheusAway(f"Prometheus at {self.where} broke off in the middle of an answer")
        return bytes(body)

    def _failure(self, error: urllib.error.HTTPError) -> PrometheusAway | PrometheusRefused:
        status = error.code
        if status >= _FIRST_SERVER_ERROR or status in _AWAY_STATUSES:
            return PrometheusAway(f"Prometheus at {self.where} answers with status {status}")
        if status in _REDIRECTS:
            return PrometheusRefused(f"{self.where} answers with a redirect: give the address that it leads to")
        if status in _FORBIDDEN:
            return PrometheusRefused(f"Prometheus at {self.where} answers with status {status}: check the token")
        try:
            said = msgspec.json.decode(error.read(_READ_BYTES), type=_Failure).error
        except (msgspec.DecodeError, OSError, http.client.HTTPException):
            return PrometheusRefused(f"{self.where} answers with status {status}: is it a Prometheus?")
        return PrometheusRefused(f"Prometheus at {self.where} refused the query: {said[:_SAID_CHARACTERS]}")

    def _series(self, body: bytes) -> list[Series]:
        try:
            answer = msgspec.json.decode(body, type=_Answer)
            if answer.status != "success" or answer.data.result_type not in ("vector", "matrix"):
                raise ValueError("no series")
            found = [_series(one) for one in answer.data.result]
        except ValueError:  # msgspec's errors are among these
            raise PrometheusRefused(f"{self.where} answers with what is not series: is it a Prometheus?") from None
        if answer.warnings:
            # Something behind it was not reached, so the figures would be too small.
            raise PrometheusAway(f"Prometheus at {self.where} has only a part: {answer.warnings[0][:_SAID_CHARACTERS]}")
        return found


def _series(found: _Found) -> Series:
    given = [found.value] if found.value is not None else found.values
    samples = ((round(seconds * 1000), float(value)) for seconds, value in given)
    return Series(labels=found.metric, samples=tuple(sample for sample in samples if math.isfinite(sample[1])))


def _checked(address: str, with_token: bool) -> str:
    """The address without a slash at its end; nothing of it is quoted where it may hold a password."""
    example = "give it as http://HOST:PORT or https://HOST"
    try:
        parts = urllib.parse.urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise PrometheusRefused(f"Prometheus' address cannot be read: {example}") from None
    if "@" in address:
        raise PrometheusRefused("Prometheus' address must not hold a user or password: give a file with a token")
    written = address.isascii() and address.isprintable() and " " not in address
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or not written:
        raise PrometheusRefused(f"Prometheus' address {address[:_SAID_CHARACTERS]!r} is none: {example}")
    if with_token and parts.scheme != "https" and not is_loopback(host):
        raise PrometheusRefused(f"a token would go to {host} unencrypted: give its https address")
    return address.rstrip("/")
