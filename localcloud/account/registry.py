"""Which function creates a resource of which type, and which answers a provider's function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.account.clients import Clients
from localcloud.recorder import Created, Registration

Creator = Callable[[Clients, Registration], Created]
Answer = Callable[[Clients, Mapping[str, Any]], Mapping[str, Any]]

CREATORS: dict[str, Creator] = {}
ANSWERS: dict[str, Answer] = {}


def creates(type_token: str) -> Callable[[Creator], Creator]:
    """Mark the function that creates resources of a type: `@creates("aws:ec2/vpc:Vpc")`."""

    def register(creator: Creator) -> Creator:
        if type_token in CREATORS:
            raise ValueError(f"{type_token} has two creators: {CREATORS[type_token]} and {creator}")
        CREATORS[type_token] = creator
        return creator

    return register


def answers(function_token: str) -> Callable[[Answer], Answer]:
    """Mark the function that answers a provider's function, by its token."""

    def register(answer: Answer) -> Answer:
        ANSWERS[function_token] = answer
        return answer

    return register


def physical_name(registration: Registration, key: str = "name") -> str:
    """The name given, or one made as Pulumi makes it: the logical name and seven hexadecimal digits."""
    given = registration.inputs.get(key)
    if given:
        return str(given)
    return f"{registration.name}-{hashlib.sha256(registration.urn.encode()).hexdigest()[:7]}"
