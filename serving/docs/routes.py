"""`GET /openapi.json` and `GET /docs`, which anybody may read; models are described to those who may know of them."""

from __future__ import annotations

from http import HTTPStatus

from contract import service
from serving.access.entrance import Entrance
from serving.access.gate import API_KEY, AUTHORIZATION
from serving.docs.document import Content, Document, Terms, content
from serving.docs.page import ASSETS, CONTENT_SECURITY_POLICY, PAGE, Asset
from serving.loaded import LoadedModels
from serving.messages import JSON_TYPE, Headers, Request, Response, Route, Routes

# The content changes with what is loaded and with the image, under the same path: a cache asks before it answers.
_FRESH: Headers = [(b"cache-control", b"no-cache"), (b"x-content-type-options", b"nosniff")]
_BY_CALLER: Headers = [
    (b"cache-control", b"private, no-cache"),
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"authorization, x-api-key"),
]
_OF_PAGE: Headers = [
    *_FRESH,
    (b"content-security-policy", CONTENT_SECURITY_POLICY),
    (b"referrer-policy", b"no-referrer"),
]


def docs_routes(models: LoadedModels, entrance: Entrance, terms: Terms) -> Routes:
    return {
        service.OPENAPI_PATH: {"GET": _document_route(Document(models, terms), entrance, terms)},
        service.DOCS_PATH: {"GET": _asset_route(PAGE, _OF_PAGE)},
        **{path: {"GET": _asset_route(asset, _FRESH)} for path, asset in ASSETS.items()},
    }


def _document_route(document: Document, entrance: Entrance, terms: Terms) -> Route:
    headers = _BY_CALLER if terms.authentication else _FRESH

    def route(request: Request) -> Response:
        stranger = AUTHORIZATION not in request.headers and API_KEY not in request.headers
        if terms.authentication and stranger:
            return _answer(request, document.of_no_model, JSON_TYPE, headers)
        entrance.identify(request)
        return _answer(request, document.of_models, JSON_TYPE, headers)

    return route


def _asset_route(asset: Asset, headers: Headers) -> Route:
    read, content_type = content(asset.read()), f"{asset.media_type}; charset=utf-8".encode()

    def route(request: Request) -> Response:
        return _answer(request, read, content_type, headers)

    return route


def _answer(request: Request, found: Content, content_type: bytes, headers: Headers) -> Response:
    # RFC 9110, 13.1.2: compared weakly, as a proxy that compresses weakens the tag.
    given = [tag.strip().removeprefix(b"W/") for tag in request.headers.get(b"if-none-match", b"").split(b",")]
    known = found.etag in given or b"*" in given
    status = HTTPStatus.NOT_MODIFIED if known else HTTPStatus.OK
    return Response(status, found.body, [*headers, (b"etag", found.etag)], content_type)
