"""The local account as a backend of the recorder: it creates what moto has, and makes up the rest with a reason."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud import account
from localcloud.account import randomness
from localcloud.account.clients import Clients
from localcloud.account.registry import ANSWERS, CREATORS
from localcloud.account.shapes import Refused
from localcloud.account.synthesised import REASONS
from localcloud.recorder import Created, Registration, RegistrationFailed
from localcloud.synthetic import Synthetic

# Importing a service's module registers its creators.
for _module in pkgutil.iter_modules(account.__path__, f"{account.__name__}."):
    if _module.name != __name__:
        importlib.import_module(_module.name)


class MotoAccount:
    """A Backend on a moto server.

    AWS resources are created through boto3 and answer with moto's ids; types that moto lacks
    (`synthesised.REASONS`) are made up; Kubernetes objects are recorded only; random values are random.
    """

    def __init__(self, endpoint: str) -> None:
        self.clients = Clients(endpoint)
        self._synthetic = Synthetic()

    def create(self, registration: Registration) -> Created:
        token = registration.type
        if token in randomness.MAKERS:
            return randomness.MAKERS[token](registration)
        if token in REASONS or token.startswith(("kubernetes:", "pulumi:")):
            return self._synthetic.create(registration)
        creator = CREATORS.get(token)
        if creator is None:
            raise RegistrationFailed(
                f"{registration.urn}: the local account cannot create {token}: "
                "write a creator in localcloud/account/, or give the reason in localcloud/account/synthesised.py"
            )
        try:
            return creator(self.clients, registration)
        except (ClientError, BotoCoreError, Refused) as refusal:
            raise RegistrationFailed(f"{registration.urn}: {_one_line(refusal)}") from refusal
        except KeyError as missing:
            raise RegistrationFailed(f"{registration.urn}: the input or answer {missing} is missing") from missing

    def invoke(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = ANSWERS.get(token)
        if answer is None:
            return self._synthetic.invoke(token, args)
        try:
            return answer(self.clients, args)
        except (ClientError, BotoCoreError, Refused) as refusal:
            raise RegistrationFailed(f"{token}({json.dumps(dict(args))}): {_one_line(refusal)}") from refusal


def _one_line(refusal: Exception) -> str:
    """AWS's code and message; a call that the server lacks arrives as status 500 or 501, or 404 without a code."""
    if not isinstance(refusal, ClientError):
        return " ".join(str(refusal).split())
    response: Mapping[str, Any] = refusal.response
    error: Mapping[str, Any] = response.get("Error", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    message = " ".join(str(error.get("Message", "")).split())
    lacking = " (moto does not have this call)" if status in (500, 501) else ""
    return f"{refusal.operation_name} was refused: {error.get('Code')}: {message}{lacking}"
