"""Which inputs of a resource cannot change in place.

The engine's preview remains the judge: it also knows the values, and what stands in the account.
"""

from __future__ import annotations

from localcloud.plan.replacement_table import FORCING

_COMPONENTS = "serveml:"


class UnknownResourceType(LookupError):
    """A resource type that the table lacks."""


def forcing_inputs(type_token: str) -> frozenset[str]:
    """Paths of inputs whose change replaces a resource of this type; none for a component, which only groups others.

    Raises UnknownResourceType for a type that the table lacks.
    """
    if type_token.startswith(_COMPONENTS):
        return frozenset()
    if type_token not in FORCING:
        raise UnknownResourceType(
            f"what replaces a {type_token} is not known: "
            "add the type to localcloud/plan/replacement_table.py, with the inputs that its provider's schema forces"
        )
    return FORCING[type_token]
