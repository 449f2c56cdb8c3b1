"""Links the calls that are made for a request to its trace. Calls of background threads belong to none."""

from __future__ import annotations

from typing import Any

from serving.tracing.span import current_headers


def link(client: Any) -> None:
    """Have a botocore client send the trace context with what it is called for within a request.

    After the signing, which leaves these headers out, so that what stands between may change them.
    """
    client.meta.events.register("before-send", _add_headers)


def _add_headers(request: Any, **_: Any) -> None:
    for name, value in current_headers().items():
        request.headers[name] = value
