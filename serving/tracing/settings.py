"""What is traced and where it goes, from the variables that OpenTelemetry specifies for every language.

Without a collector's address nothing else is read. A variable for traces alone comes before the one for all signals.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from contract import service
from serving.reader import Reader, word

TRACES_PATH = "/v1/traces"
PROTOCOL = "http/protobuf"
DEFAULT_SAMPLER = "parentbased_always_on"
RATIO_SAMPLERS = ("traceidratio", "parentbased_traceidratio")
DEFAULT_TIMEOUT_MS = 10_000

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_OWN_HEADERS = frozenset({"connection", "content-encoding", "content-length", "content-type", "host"})
_RATIO = re.compile(r"[01]|[01]?\.[0-9]+")


class Sampling(NamedTuple):
    """Which requests are recorded."""

    parent_based: bool
    """Do as the caller does, where it says; the ratio is for traces that start here."""
    ratio: float
    """Of all traces, from 0 to 1; by their ids, so that services with the same ratio pick the same ones."""


NOTHING = Sampling(False, 0.0)

_SAMPLERS = {
    "always_on": Sampling(False, 1.0),
    "always_off": NOTHING,
    "traceidratio": Sampling(False, 1.0),
    "parentbased_always_on": Sampling(True, 1.0),
    "parentbased_always_off": Sampling(True, 0.0),
    "parentbased_traceidratio": Sampling(True, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class TracingSettings:
    """Which requests are recorded, and the collector that gets them."""

    sampling: Sampling
    service_name: str
    endpoint: str
    """The whole URL, https or http."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Names and values to send along, which may be a secret."""
    certificate: Path | None = None
    """Whom to trust in place of the system's authorities."""
    timeout_ms: int = DEFAULT_TIMEOUT_MS


def read(reader: Reader) -> TracingSettings | None:
    """None where no collector is named, or nothing is to be recorded: tracing is off then."""
    if reader.given(service.ENV_OTLP_TRACES_ENDPOINT):
        endpoint = reader.text(service.ENV_OTLP_TRACES_ENDPOINT, _url)
    elif reader.given(service.ENV_OTLP_ENDPOINT):
        endpoint = reader.text(service.ENV_OTLP_ENDPOINT, _url_of_traces)
    else:
        return None
    sampling = _sampling(reader)
    protocol = _first(reader, service.ENV_OTLP_TRACES_PROTOCOL, service.ENV_OTLP_PROTOCOL)
    reader.choice(protocol, PROTOCOL, (PROTOCOL,))
    headers = _first(reader, service.ENV_OTLP_TRACES_HEADERS, service.ENV_OTLP_HEADERS)
    certificate = _first(reader, service.ENV_OTLP_TRACES_CERTIFICATE, service.ENV_OTLP_CERTIFICATE)
    timeout = _first(reader, service.ENV_OTLP_TRACES_TIMEOUT_MS, service.ENV_OTLP_TIMEOUT_MS)
    settings = TracingSettings(
        sampling=sampling,
        service_name=reader.text(service.ENV_OTEL_SERVICE_NAME, word, service.SERVICE_NAME),
        endpoint=endpoint,
        headers=reader.text(headers, _headers, "") if reader.given(headers) else (),
        certificate=reader.text(certificate, _certificate) if reader.given(certificate) else None,
        timeout_ms=reader.number(timeout, DEFAULT_TIMEOUT_MS, 1, 60_000),
    )
    return None if sampling == NOTHING else settings


def _first(reader: Reader, for_traces: str, for_all: str) -> str:
    return for_traces if reader.given(for_traces) else for_all


def _sampling(reader: Reader) -> Sampling:
    name = reader.choice(service.ENV_TRACES_SAMPLER, DEFAULT_SAMPLER, tuple(_SAMPLERS))
    sampling = _SAMPLERS.get(name, _SAMPLERS[DEFAULT_SAMPLER])
    if not reader.given(service.ENV_TRACES_SAMPLER_ARG):
        return sampling
    if name in _SAMPLERS and name not in RATIO_SAMPLERS:
        reader.faults.append(
            f"{service.ENV_TRACES_SAMPLER_ARG} is set, and {service.ENV_TRACES_SAMPLER} is {name}, which takes none: "
            f"unset the one, or set the other to {' or '.join(RATIO_SAMPLERS)}"
        )
        return sampling
    return sampling._replace(ratio=reader.text(service.ENV_TRACES_SAMPLER_ARG, _ratio))


def _ratio(value: str) -> float:
    number = float(value) if _RATIO.fullmatch(value) else 2.0
    if number > 1:
        raise ValueError(f"{value!r} is no ratio: a decimal number from 0 to 1 is allowed, such as 0.01")
    return number


def _url(value: str) -> str:
    # What is wrong is told without the value: a password may stand in it.
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError("this is not a URL: write it as in http://collector:4318") from None
    if not usable or not value.isascii() or any(not character.isprintable() or character == " " for character in value):
        raise ValueError("this is not a URL with http or https and a host: write it as in http://collector:4318")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"a user, a query or a fragment is not allowed in it: put credentials into {service.ENV_OTLP_HEADERS}"
        )
    return value


def _url_of_traces(value: str) -> str:
    return _url(value).rstrip("/") + TRACES_PATH


def _headers(value: str) -> tuple[tuple[str, str], ...]:
    headers: list[tuple[str, str]] = []
    for number, member in enumerate(value.split(","), start=1):
        if not member.strip():
            continue
        name, equals, text = member.partition("=")
        name, text = unquote(name.strip()), unquote(text.strip())
        if not equals or _HEADER_NAME.fullmatch(name) is None or _HEADER_VALUE.fullmatch(text) is None:
            raise ValueError(f"its member {number} is not allowed: write name=value,name=value, and %2C for a comma")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"its member {number} is not allowed: the exporter sets {name.lower()} itself")
        headers.append((name, text))
    return tuple(headers)


def _certificate(value: str) -> Path:
    try:
        ssl.create_default_context(cafile=value)
    except OSError:
        raise ValueError(f"{value!r} is no file of certificates that can be read: name one in PEM") from None
    return Path(value)
