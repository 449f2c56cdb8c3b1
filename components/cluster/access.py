"""Who may reach a cluster's API and who administers it: the checks, as pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from infra.errors import InvalidInput

ANYWHERE = "0.0.0.0/0"

_PRINCIPAL = re.compile(r"arn:aws:iam::(\d{12}):((?:role|user)/\S+)")


class InvalidAccess(InvalidInput):
    """Access that is open to all, or given to nobody in particular; the message names the value and the remedy."""


def public_cidrs(*, public: bool, cidrs: Sequence[str]) -> list[str] | None:
    """The networks that may reach the public endpoint, or None where there is no such endpoint."""
    if not public:
        return None
    if not cidrs or ANYWHERE in cidrs:
        raise InvalidAccess(
            f"the cluster's public endpoint would be open to {ANYWHERE}: "
            "give the networks that may reach it, or turn public access off"
        )
    return list(cidrs)


def administrators(principal_arns: Sequence[str], account_id: str) -> dict[str, str]:
    """ARN by label. A label is part of logical names, so it comes from the ARN and not from the order of the list."""
    labelled: dict[str, str] = {}
    for arn in principal_arns:
        match = _PRINCIPAL.fullmatch(arn)
        if match is None:
            raise InvalidAccess(
                f"the administrator {arn!r} is not the ARN of an IAM role or user "
                "(arn:aws:iam::<account>:role/<name>): give the role itself, not a session of it"
            )
        account, path = match.groups()
        label = path.replace("/", "-") if account == account_id else f"{account}-{path.replace('/', '-')}"
        if label in labelled:
            raise InvalidAccess(f"the administrator {arn!r} is named twice: name each one once")
        labelled[label] = arn
    return labelled
