"""Kubernetes quantities in the form the API server stores, so that a preview shows no difference where none is."""

from __future__ import annotations

_MILLICORES_PER_CPU = 1000
_MIB_PER_GIB = 1024


def cpu(millicores: int) -> str:
    """`500m`, or `2` for whole CPUs."""
    whole, rest = divmod(millicores, _MILLICORES_PER_CPU)
    return f"{millicores}m" if rest else str(whole)


def memory(mib: int) -> str:
    """`512Mi`, or `2Gi` for whole GiB."""
    whole, rest = divmod(mib, _MIB_PER_GIB)
    return f"{mib}Mi" if rest else f"{whole}Gi"
