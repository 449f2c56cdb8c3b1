"""Notices to a Slack channel by an incoming webhook, whose address is the only key to it and is never shown."""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from ops.notices.notice import Notice, Severity, Undelivered
from ops.outbound import NoRedirects, cause_of, is_loopback

ENV_WEBHOOK = "SERVEML_SLACK_WEBHOOK"
MOST_TEXT_CHARACTERS = 10_000

_TOO_MANY = 429
_FIRST_SERVER_ERROR = 500
_READ_BYTES = 256
# Slack names its errors by one such word; anything else in an answer is not repeated.
_ERROR = re.compile(rb"[a-z_]{1,40}")
_SIGNS = {Severity.INFO: ":white_check_mark:", Severity.WARNING: ":warning:", Severity.CRITICAL: ":rotating_light:"}


class BadWebhook(ValueError):
    """The address cannot be used; the message says why without it."""


class SlackWebhook:
    """A sender. `SlackWebhook.load()` takes the address from a file or the environment."""

    name = "slack"

    def __init__(self, url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raise BadWebhook unless it is an https address, or one of this machine."""
        how = "give the https address that Slack shows for the webhook"
        try:
            parts = urllib.parse.urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise BadWebhook(f"the Slack webhook's address cannot be read: {how}") from None
        local = is_loopback(host)
        if not host or not url.isascii() or not url.isprintable() or " " in url or "@" in parts.netloc:
            raise BadWebhook(f"the Slack webhook's address is none: {how}")
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise BadWebhook(f"the Slack webhook's address would send it unencrypted, or is none: {how}")
        self._url = url
        self._now = now
        handlers: list[urllib.request.BaseHandler] = [NoRedirects()]
        if local:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    @classmethod
    def load(cls, file: Path | None = None, environ: Mapping[str, str] = os.environ) -> SlackWebhook | None:
        """By the file's one line, or else by the environment's variable; None where neither names one."""
        if file is not None:
            try:
                return cls(file.read_text().strip())
            except (OSError, UnicodeError) as error:
                raise BadWebhook(f"no Slack webhook can be read from {file}: {cause_of(error)}") from None
        url = environ.get(ENV_WEBHOOK, "").strip()
        return cls(url) if url else None

    def __repr__(self) -> str:
        return "SlackWebhook(...)"

    def send(self, notice: Notice, timeout_seconds: float) -> None:
        """One request; raise Undelivered."""
        body = json.dumps({"text": text(notice)}).encode()
        failed = self._post(body, timeout_seconds)
        # Outside of the handling of an error that holds the address.
        if failed is not None:
            raise failed

    def _post(self, body: bytes, timeout_seconds: float) -> Undelivered | None:
        request = urllib.request.Request(self._url, data=body, headers={"Content-Type": "application/json"})
        try:
            with self._opener.open(request, timeout=timeout_seconds):
                return None
        except urllib.error.HTTPError as error:
            with error:
                return self._refusal(error)
        except urllib.error.URLError as error:
            return Undelivered(f"Slack cannot be reached: {cause_of(error.reason)}", again=True)
        except (OSError, http.client.HTTPException) as error:
            return Undelivered(f"Slack broke off: {cause_of(error)}", again=True)

    def _refusal(self, error: urllib.error.HTTPError) -> Undelivered:
        try:
            said = error.read(_READ_BYTES).strip()
        except (OSError, http.client.HTTPException):
            said = b""
        why = f": {said.decode()}" if _ERROR.fullmatch(said) else ""
        again = error.code == _TOO_MANY or error.code >= _FIRST_SERVER_ERROR
        after = retry_after_seconds(error.headers.get("Retry-After"), self._now())
        return Undelivered(f"Slack answers with status {error.code}{why}", again=again, after_seconds=after)


def retry_after_seconds(value: str | None, now: datetime) -> float:
    """What a Retry-After header asks for, as seconds or a date (RFC 9110, section 10.2.3); 0 where it is neither."""
    if value is None:
        return 0.0
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())


def text(notice: Notice) -> str:
    """In Slack's markup; what a notice says is never markup, and calls nobody."""
    lines = [
        f"{_SIGNS[notice.severity]} *{_plain(notice.deployment)}*: {_plain(notice.summary)}",
        *(f"• {_plain(name)}: {_plain(value)}" for name, value in notice.details.items()),
    ]
    return "\n".join(lines)[:MOST_TEXT_CHARACTERS]


def _plain(said: str) -> str:
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
