"""The definitions of kinds that a cluster in EKS Auto Mode brings, for clusters that are none."""

from __future__ import annotations

from typing import cast

import yaml

from components.observability.vendor import read_lock
from tests.cluster import auto_mode
from tests.cluster.api import Object
from tests.cluster.vendor import CRD_FOLDER


def auto_mode_definitions() -> list[Object]:
    vendored = [cast(Object, yaml.safe_load((CRD_FOLDER / line.file).read_bytes())) for line in read_lock(CRD_FOLDER)]
    return [*vendored, *auto_mode.definitions()]
