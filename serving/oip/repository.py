"""The model repository extension: what is published and loaded, and operators loading versions besides the current one.

Specification: github.com/triton-inference-server/server, `docs/protocol/extension_model_repository.md`. The version to
load or unload is named in the path, or in the body's `parameters`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol, TypeVar

import msgspec

from contract.service import OPEN_INFERENCE_PREFIX
from serving.access.entrance import Entrance
from serving.catalogue import Entry
from serving.loaded import LoadedVersion
from serving.messages import Refused, Request, Response, Routes
from serving.oip.json_codec import encode

logger = logging.getLogger(__name__)

READY, UNAVAILABLE = "READY", "UNAVAILABLE"

_LOOK_SECONDS = 0.05

_T = TypeVar("_T")


class Repository(Protocol):
    """The models that can be loaded and unloaded."""

    def find(self, name: str, version: str | None = None) -> LoadedVersion | None: ...

    def index(self) -> Sequence[Entry]: ...

    def load(self, name: str, version: str) -> bool: ...

    def unload(self, name: str, version: str) -> bool: ...


class IndexEntry(msgspec.Struct):
    name: str
    version: str
    state: str
    reason: str


class _Parameters(msgspec.Struct):
    version: str | None = None


class _Asked(msgspec.Struct):
    parameters: _Parameters | None = None


class _IndexAsked(msgspec.Struct):
    ready: bool = False


_ASKED = msgspec.json.Decoder(_Asked)
_INDEX_ASKED = msgspec.json.Decoder(_IndexAsked)


def repository_routes(control: Control) -> Routes:
    """The protocol's side of it over HTTP."""
    routes = _Repository(control)
    model = OPEN_INFERENCE_PREFIX + "/repository/models/{name}"
    return {
        OPEN_INFERENCE_PREFIX + "/repository/index": {"POST": routes.index},
        model + "/load": {"POST": routes.load},
        model + "/unload": {"POST": routes.unload},
        model + "/versions/{version}/load": {"POST": routes.load},
        model + "/versions/{version}/unload": {"POST": routes.unload},
    }


class Control:
    """What both bindings of the protocol do with the repository; `patience_seconds` bounds the wait for a version."""

    def __init__(self, models: Repository, entrance: Entrance, *, patience_seconds: float) -> None:
        self.entrance = entrance
        """Asked before anything here: any caller may look, and operators may load and unload."""
        self._models = models
        self._patience_seconds = patience_seconds

    def index(self, *, ready: bool) -> list[IndexEntry]:
        """What is published, or what of it is loaded."""
        return [
            IndexEntry(entry.name, entry.version, READY if entry.loaded else UNAVAILABLE, entry.reason)
            for entry in self._models.index()
            if entry.loaded or not ready
        ]

    async def load(self, name: str, version: str | None) -> None:
        """Return when the version is loaded, or any where none is named; raise Refused."""
        if version is None and self._models.find(name) is not None:
            # The highest release is loaded by itself: there is nothing to do.
            return
        version = _given(version)
        if not self._models.load(name, version):
            raise _not_published()
        if not await self._comes_about(name, version, loaded=True):
            reason = next((e.reason for e in self._models.index() if (e.name, e.version) == (name, version)), "")
            raise Refused(
                HTTPStatus.CONFLICT,
                "not_loaded",
                f"the version was not loaded within {self._patience_seconds:.0f} s: {reason or 'it is still coming'}",
            )

    async def unload(self, name: str, version: str | None) -> None:
        """Return when the version is not loaded any more; raise Refused."""
        version = _given(version)
        if not self._models.unload(name, version):
            current = self._models.find(name)
            if current is not None and current.version == version:
                raise Refused(
                    HTTPStatus.CONFLICT,
                    "current_version",
                    "this is the model's current version: it goes when another one takes its place",
                )
            raise _not_published()
        if not await self._comes_about(name, version, loaded=False):
            raise Refused(HTTPStatus.CONFLICT, "not_unloaded", "the version is still loaded: look at the index")

    async def _comes_about(self, name: str, version: str, *, loaded: bool) -> bool:
        deadline = time.monotonic() + self._patience_seconds
        while (self._models.find(name, version) is not None) is not loaded:
            if time.monotonic() > deadline:
                return False
            if loaded and any(e.reason for e in self._models.index() if (e.name, e.version) == (name, version)):
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True


class _Repository:
    def __init__(self, control: Control) -> None:
        self._control = control

    def index(self, request: Request) -> Response:
        self._control.entrance.identify(request)
        asked = _decoded(_INDEX_ASKED, request, '{"ready": true or false}')
        return Response(HTTPStatus.OK, encode(self._control.index(ready=asked.ready)), [])

    async def load(self, request: Request) -> Response:
        await self._control.load(*self._named(request))
        return _done()

    async def unload(self, request: Request) -> Response:
        await self._control.unload(*self._named(request))
        return _done()

    def _named(self, request: Request) -> tuple[str, str | None]:
        self._control.entrance.admit_operator(request)
        asked = _decoded(_ASKED, request, '{"parameters": {"version": "1.2.3"}}')
        version = request.parameters.get("version") or (asked.parameters and asked.parameters.version)
        return request.parameters["name"], version


def _decoded(decoder: msgspec.json.Decoder[_T], request: Request, example: str) -> _T:
    try:
        return decoder.decode(request.body or b"{}")
    except (ValueError, RecursionError):
        raise _invalid(f"the body may be empty or {example}") from None


def _given(version: str | None) -> str:
    if not version:
        raise _invalid(
            "no version is named: the highest release is loaded by itself, and others by "
            '{"parameters": {"version": "1.2.3"}}'
        )
    return version


def _done() -> Response:
    return Response(HTTPStatus.OK, b"{}", [])


def _invalid(message: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "invalid_request", message)


def _not_published() -> Refused:
    return Refused(
        HTTPStatus.NOT_FOUND,
        "unknown_model",
        "no such version is published: POST /v2/repository/index lists what is",
    )
