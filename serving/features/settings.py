"""How the online store is asked. Nothing here is used before a model whose metadata names features is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter

from contract import service
from serving.reader import Reader

TABLE_NAME_TEMPLATE = "{project}.{table_name}"
"""Feast's own default; its table name is the feature view's."""
DEADLINE_MS = 100
THREADS = 8

_TABLE_NAME = "table_name"


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """`table_name_template` is that of the online store in Feast's `feature_store.yaml`."""

    table_name_template: str
    deadline_ms: int
    """How long a request waits for its features, all calls and further attempts together."""
    threads: int
    """How many calls are under way at once, in one worker."""


def read(reader: Reader) -> FeatureSettings:
    """Faults go to the reader."""
    return FeatureSettings(
        table_name_template=reader.text(service.ENV_FEATURES_TABLE_TEMPLATE, _template, TABLE_NAME_TEMPLATE),
        deadline_ms=reader.number(service.ENV_FEATURES_DEADLINE_MS, DEADLINE_MS, 5, 10_000),
        threads=reader.number(service.ENV_FEATURES_THREADS, THREADS, 1, 64),
    )


def _template(value: str) -> str:
    fault = ValueError(
        f"{value!r} is no template of a table's name: write {{table_name}} once, and {{project}} if Feast's has it"
    )
    try:
        parts = list(Formatter().parse(value))
    except ValueError:
        raise fault from None
    fields = [name for _, name, _, _ in parts if name is not None]
    plain = not any(spec or conversion for _, _, spec, conversion in parts)
    if not plain or fields.count(_TABLE_NAME) != 1 or not {*fields} <= {"project", _TABLE_NAME}:
        raise fault
    return value
