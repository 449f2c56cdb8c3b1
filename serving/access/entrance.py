"""What stands before a model: whether this worker can take another request at all, who asks, and how often they may."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus

from serving.access.admission import Admission
from serving.messages import Refused, Request

RETRY_AFTER_SECONDS = 1


class Entrance:
    """Lets a request in or raises Refused; without an `admission` everybody may come in, as often as they like.

    `wait_seconds` says how long a request read at a monotonic time has waited already. Past `max_wait_seconds` it is
    refused before any work is done for it, so that those who are let in are answered in time.
    """

    def __init__(
        self, admission: Admission | None, wait_seconds: Callable[[float], float], *, max_wait_seconds: float
    ) -> None:
        self._admission = admission
        self._wait_seconds = wait_seconds
        self._max_wait_seconds = max_wait_seconds

    def admit(self, request: Request, model_name: str) -> None:
        """Raise Refused: 503 for overload, 401 and 403 for who asks, 429 for how often."""
        now = time.monotonic()
        if self._wait_seconds(now) > self._max_wait_seconds:
            raise overloaded()
        if self._admission is not None:
            request.answer_lines += self._admission.admit(request.headers, model_name, wall=time.time(), monotonic=now)

    def identify(self, request: Request) -> None:
        """For what any caller with credentials may know; raise Refused."""
        if self._admission is not None:
            self._admission.identify(request.headers, wall=time.time())

    def admit_operator(self, request: Request) -> None:
        """For what changes or shows more than a caller's models; raise Refused."""
        if self._admission is not None:
            self._admission.admit_operator(request.headers, wall=time.time())


def overloaded() -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "overloaded",
        "this server has more requests than it can answer in time: try again",
        headers=[(b"retry-after", b"%d" % RETRY_AFTER_SECONDS)],
    )
