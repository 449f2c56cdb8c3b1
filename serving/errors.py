"""Refusals as the bodies of answers, in the shape of the protocol that the path belongs to."""

from __future__ import annotations

import msgspec

from contract.service import OPEN_INFERENCE_PREFIX
from serving.messages import Refused, Request


class _Fault(msgspec.Struct):
    code: str
    message: str
    field: str | None


class _Error(msgspec.Struct):
    error: _Fault


_encode = msgspec.json.Encoder().encode


def error_body(request: Request, refused: Refused) -> bytes:
    """`{"error": {"code": ..., "message": ..., "field": ...}}`; in the Open Inference Protocol `{"error": message}`."""
    if request.path.startswith(OPEN_INFERENCE_PREFIX):
        return _encode({"error": refused.message})
    return _encode(_Error(_Fault(refused.code, refused.message, refused.field)))
