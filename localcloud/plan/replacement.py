"""Which inputs cannot change in place, read from the providers' own documentation strings.

The SDK carries each input's documentation; where it says that a change forces a new resource, so do we. The engine's
preview remains the judge: a provider may replace for reasons it does not document.
"""

from __future__ import annotations

import functools
import importlib
import re

_FORCES = re.compile(r"forc\w+ (a |the )?(new|re-?creat|replacement|resource recreation)|will recreate", re.IGNORECASE)
_PARAMETER = re.compile(r":param (?:.*? )?(\w+): (.*?)(?=\n\s*:param|\Z)", re.DOTALL)
_ALWAYS = frozenset({"region"})
_KUBERNETES = frozenset({"apiVersion", "kind", "metadata.name", "metadata.namespace"})


@functools.cache
def forcing_inputs(type_token: str) -> frozenset[str]:
    """Paths of inputs whose change replaces a resource of this type (top-level names; dotted for Kubernetes)."""
    if type_token.startswith("kubernetes:"):
        return _KUBERNETES
    if not type_token.startswith("aws:"):
        return frozenset()
    _, module, kind = type_token.split(":")
    sdk = importlib.import_module(f"pulumi_aws.{module.split('/')[0]}")
    documentation = getattr(sdk, f"{kind}Args").__init__.__doc__ or ""
    named = {_camel(name) for name, text in _PARAMETER.findall(documentation) if _FORCES.search(text)}
    return frozenset(named | _ALWAYS)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
