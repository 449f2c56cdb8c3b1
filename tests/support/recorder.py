"""Listens to every call that clients of a session make, and can refuse those that policies do not allow."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.support.aws_calls import Account, Call, requests
from tests.support.iam import is_allowed

_CALL = "recorded call"
_DENIED = {"s3": "AccessDenied", "dynamodb": "AccessDeniedException", "kms": "AccessDeniedException"}


class Recorder:
    """`session` makes the clients that are listened to."""

    def __init__(self, account: Account) -> None:
        self.session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
        self._account = account
        self._calls: list[Call] = []
        self._policies: list[Mapping[str, Any]] | None = None
        self.session.events.register("provide-client-params", self._asked)
        self.session.events.register("before-call", self._calling)
        self.session.events.register("after-call", self._called)

    @contextmanager
    def listening(self, policies: Iterable[Mapping[str, Any]] | None = None) -> Generator[list[Call]]:
        """The calls that are made meanwhile; only what the policies allow, where they are given."""
        self._calls, self._policies = [], None if policies is None else list(policies)
        try:
            yield self._calls
        finally:
            self._policies = None

    def _asked(self, params: Any, model: Any, context: Any, **_: Any) -> None:
        context[_CALL] = Call(
            service=model.service_model.service_name, operation=model.name, region="", params=dict(params)
        )

    def _calling(self, context: Any, request_signer: Any, **_: Any) -> None:
        call: Call = context[_CALL]
        call.region = request_signer.region_name
        self._calls.append(call)
        if not self._may(call):
            raise ClientError(
                {"Error": {"Code": _DENIED.get(call.service, "AuthorizationError"), "Message": "by no policy"}},
                call.operation,
            )

    def _called(self, context: Any, http_response: Any, parsed: Any, **_: Any) -> None:
        call: Call = context[_CALL]
        call.missing = http_response.status_code == 404
        if call.missing and not self._may(call):
            parsed["Error"] = {"Code": "403", "Message": "Forbidden"}

    def _may(self, call: Call) -> bool:
        policies = self._policies
        return policies is None or all(is_allowed(policies, request) for request in requests(call, self._account))
