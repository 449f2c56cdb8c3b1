"""The parameters of operations: parts of paths, and the headers of requests that are read."""

from __future__ import annotations

from contract import service
from serving.deployments.routing import MOST_USER_BYTES
from serving.docs.answers import HEADER_LENGTH
from serving.docs.schemas import Schema, reference

_TEXT: Schema = {"type": "string"}


def components() -> dict[str, Schema]:
    return {
        "name": {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": _TEXT,
            "description": "A model: lower-case letters, digits and inner hyphens.",
        },
        "version": {
            "name": "version",
            "in": "path",
            "required": True,
            "schema": _TEXT,
            "description": "A semantic version, such as 1.2.3.",
        },
        service.REQUEST_ID_HEADER: {
            "name": service.REQUEST_ID_HEADER,
            "in": "header",
            "schema": _TEXT,
            "description": "An id for the request, which comes back: 1 to 128 letters, digits and `.`, `_`, `:`, `-`, "
            "of which the first is a letter or digit. Another one is replaced.",
        },
        service.USER_HEADER: {
            "name": service.USER_HEADER,
            "in": "header",
            "schema": _TEXT,
            "description": "Whom the request is for: while a model's traffic is split, a user stays with one version. "
            f"The first {MOST_USER_BYTES} bytes count.",
        },
        "If-None-Match": {
            "name": "If-None-Match",
            "in": "header",
            "schema": _TEXT,
            "description": "The ETag of the content that the client has.",
        },
        HEADER_LENGTH: {
            "name": HEADER_LENGTH,
            "in": "header",
            "schema": {"type": "integer", "minimum": 0},
            "description": "How many bytes of the body are JSON, where binary tensors follow it.",
        },
    }


def of_path(path: str) -> list[Schema]:
    """Those that the path leaves open."""
    return [reference("parameters", name) for name in ("name", "version") if f"{{{name}}}" in path]
