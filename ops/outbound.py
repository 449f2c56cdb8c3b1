"""What calls to servers that an operator named have in common: no redirect is followed, no address shown."""

from __future__ import annotations

import ipaddress
import urllib.request
from typing import Any


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: what is sent is for the host that was named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host of an address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def cause_of(error: object) -> str:
    """Why a call failed, in words that hold nothing of what was called: an error's own text may quote the address."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
