"""The custom resource definitions that stand in `crds/`, by upstream, as manifests. `vendor` brought them there."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import yaml

from components.observability.vendor import CRD_FOLDER, read_lock
from components.workload.labels import Manifest

PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator"

# Ten times faster than the loader in Python, which is what an installation without libyaml has.
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def definitions(module: str) -> list[Manifest]:
    """The definitions taken from an upstream, in order of file name."""
    files = [line.file for line in read_lock() if line.module == module]
    return [_definition(name) for name in sorted(files)]


@cache
def _definition(file: str) -> Manifest:
    return cast(Manifest, yaml.load((CRD_FOLDER / file).read_bytes(), _Loader))


def plural(definition: Manifest) -> str:
    """`prometheuses`: what the kind is called in addresses."""
    return str(definition["spec"]["names"]["plural"])
