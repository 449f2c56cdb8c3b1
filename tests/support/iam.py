"""Decides by IAM policy documents as IAM does for a principal of the same account: a refusal wins, silence refuses.

Knows the operators that the project's documents use, and raises for any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.policies import as_list


@dataclass(frozen=True, kw_only=True)
class Request:
    """One action on one resource, and what IAM knows of it."""

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


def is_allowed(documents: Iterable[Mapping[str, Any]], request: Request) -> bool:
    effects = {
        statement["Effect"]
        for document in documents
        for statement in document["Statement"]
        if _applies(statement, request)
    }
    return effects == {"Allow"}


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert not unknown, f"statement elements that are not understood here: {unknown}"
    return (
        any(_like(request.action.lower(), pattern.lower()) for pattern in as_list(statement["Action"]))
        and any(_like(request.resource, pattern) for pattern in as_list(statement["Resource"]))
        and all(
            _holds(operator, key, as_list(values), request.context.get(key, ()))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, key: str, wanted: Sequence[str], found: Sequence[str]) -> bool:
    if operator == "Null":
        return (not found) == (wanted == ["true"])
    quantifier, _, bare = operator.rpartition(":")
    name = bare.removesuffix("IfExists")
    compare, negated = _OPERATORS[name]
    matches = [any(compare(value, pattern) for pattern in wanted) is not negated for value in found]
    if quantifier == "ForAllValues":
        return all(matches)
    if quantifier == "ForAnyValue":
        return any(matches)
    assert not quantifier, quantifier
    assert len(found) <= 1, f"{key} has several values, and {operator} compares one"
    # Of what is absent, only a negation holds, or what asks no more than that a value fits.
    return matches[0] if matches else negated or bare.endswith("IfExists")


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _like(value: str, pattern: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value, re.DOTALL) is not None


_OPERATORS: Mapping[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equal, False),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "Bool": (_equal, False),
}
