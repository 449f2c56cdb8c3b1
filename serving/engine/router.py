"""Finds the route of a path: exact paths by one look-up, paths with named parts segment by segment."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

from serving.messages import Refused, Request, Response, Route, Routes

WHOLE_SERVER = "*"
"""The target of OPTIONS that is no path: it asks for what the server as a whole can do (RFC 9110, 9.3.7)."""


class Match(NamedTuple):
    """A path's methods, the template it matched, and its named parts."""

    template: str
    methods: Mapping[str, Route]
    parameters: Mapping[str, str]


class Router:
    """A table of routes. HEAD is answered as GET without the body."""

    def __init__(self, routes: Routes) -> None:
        self._exact = {path: Match(path, methods, {}) for path, methods in routes.items() if "{" not in path}
        self._templates = [
            (template.split("/"), template, methods) for template, methods in routes.items() if "{" in template
        ]
        self._exact[WHOLE_SERVER] = Match(WHOLE_SERVER, {"OPTIONS": _options}, {})
        self._paths = ", ".join(routes)

    def find(self, path: str) -> Match | None:
        return self._exact.get(path) or self._by_segments(path)

    def route(self, match: Match | None, request: Request) -> Route:
        """The function for the request's method; Refused with 404 or 405."""
        if match is None:
            raise Refused(HTTPStatus.NOT_FOUND, "not_found", f"there is no such path: try {self._paths}")
        route = match.methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allowed = ", ".join([*match.methods, "HEAD"] if "GET" in match.methods else match.methods)
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "method_not_allowed",
                f"this path takes {allowed}",
                headers=[(b"allow", allowed.encode())],
            )
        return route

    def _by_segments(self, path: str) -> Match | None:
        if not self._templates:
            return None
        given = path.split("/")
        for segments, template, methods in self._templates:
            if len(segments) != len(given):
                continue
            parameters: dict[str, str] = {}
            for expected, segment in zip(segments, given, strict=True):
                if expected.startswith("{") and segment:
                    parameters[expected[1:-1]] = unquote(segment)
                elif expected != segment:
                    break
            else:
                return Match(template, methods, parameters)
        return None


def _options(_: Request) -> Response:
    return Response(HTTPStatus.OK, b"", [])
