"""`features` in a model's metadata: in which of Feast's feature views, and by what, its input's columns are looked up.

The words are Feast's: an entity has a join key, a feature view has entities and features, each is kept under a project.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

ENTITY_TYPES = ("INT32", "INT64", "STRING")
"""Feast's names of the value types that it can make a key of and JSON can hold."""

Value = bool | int | float | str

# A project and a feature view become part of a table's name, which may hold these ("Naming rules" of the Amazon
# DynamoDB developer guide); join keys and features are names of columns.
_TABLE_PART = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_COLUMN = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_BOOLEAN, _TEXT = "BOOL", "BYTES"
_LEAST, _MOST = -(2**63), 2**64 - 1


class InvalidFeatures(ValueError):
    """Features that break the shape; the message names the field, what stands there and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Entity:
    """What rows are looked up by."""

    join_key: str
    value_type: str


@dataclass(frozen=True, kw_only=True)
class FeatureView:
    """A table of the online store, and the entities that together make its key."""

    name: str
    join_keys: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FeatureColumn:
    """Where one column of the input comes from; without a default a row that lacks the feature is refused."""

    view: str
    feature: str
    default: Value | None = None
    max_age_seconds: int | None = None
    """How long after its event time a value still counts; None: for ever."""
    default_if_old: bool = False
    """Whether the default also stands for a value that is too old."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Everything that turns entities into rows; `columns` in the order of the input's."""

    project: str
    entities: tuple[Entity, ...]
    views: tuple[FeatureView, ...]
    columns: tuple[FeatureColumn, ...]


def parse(document: object) -> Features:
    """Read the object as `dataclasses.asdict` and JSON leave it; raise InvalidFeatures."""
    fields = _object(document, "features", ("project", "entities", "views", "columns"))
    features = Features(
        project=_matching(fields, "project", "features", _TABLE_PART),
        entities=tuple(_entity(value, where) for value, where in _list(fields, "entities", "features")),
        views=tuple(_view(value, where) for value, where in _list(fields, "views", "features")),
        columns=tuple(_column(value, where) for value, where in _list(fields, "columns", "features")),
    )
    _check_names(features)
    return features


def check_input(features: Features, datatype: str, columns: int | None) -> None:
    """Raise InvalidFeatures unless the columns and their defaults are those of an input of this type and width."""
    if columns != len(features.columns):
        raise InvalidFeatures(f"features has {len(features.columns)} columns for an input of {columns}: name each one")
    for index, column in enumerate(features.columns):
        if column.default is not None and not _suits(column.default, datatype):
            raise InvalidFeatures(
                f"features.columns[{index}] has the default {column.default!r:.40}, which is no {datatype}, the type "
                "of the input"
            )


def _entity(value: object, where: str) -> Entity:
    fields = _object(value, where, ("join_key", "value_type"))
    value_type = _text(fields, "value_type", where)
    if value_type not in ENTITY_TYPES:
        raise InvalidFeatures(f"{where} has value_type {value_type!r:.40}: use one of {', '.join(ENTITY_TYPES)}")
    return Entity(join_key=_matching(fields, "join_key", where, _COLUMN), value_type=value_type)


def _view(value: object, where: str) -> FeatureView:
    fields = _object(value, where, ("name", "join_keys"))
    join_keys = tuple(join_key for join_key, _ in _list(fields, "join_keys", where))
    if not all(isinstance(join_key, str) for join_key in join_keys) or len(set(join_keys)) != len(join_keys):
        raise InvalidFeatures(f"{where} has {list(join_keys)!r:.80} for 'join_keys': name each only once, as strings")
    return FeatureView(name=_matching(fields, "name", where, _TABLE_PART), join_keys=cast(tuple[str, ...], join_keys))


def _column(value: object, where: str) -> FeatureColumn:
    fields = _object(value, where, ("view", "feature"), ("default", "max_age_seconds", "default_if_old"))
    default, age, if_old = fields.get("default"), fields.get("max_age_seconds"), fields.get("default_if_old") or False
    if default is not None and not isinstance(default, bool | int | float | str):
        raise InvalidFeatures(f"{where} has {default!r:.40} for 'default': give a number, a string or a boolean")
    bad_float = isinstance(default, float) and not math.isfinite(default)
    if bad_float or (isinstance(default, int) and not _LEAST <= default <= _MOST):
        raise InvalidFeatures(f"{where} has {default!r:.40} for 'default': give a finite number, if whole of 64 bits")
    if age is not None and (type(age) is not int or age < 1):
        raise InvalidFeatures(f"{where} has {age!r:.40} for 'max_age_seconds', which must be a whole number from 1 up")
    if not isinstance(if_old, bool):
        raise InvalidFeatures(f"{where} has {if_old!r:.40} for 'default_if_old', which must be true or false")
    if if_old and (default is None or age is None):
        raise InvalidFeatures(f"{where} has 'default_if_old' without both 'default' and 'max_age_seconds': give them")
    return FeatureColumn(
        view=_text(fields, "view", where),
        feature=_matching(fields, "feature", where, _COLUMN),
        default=default,
        max_age_seconds=age,
        default_if_old=if_old,
    )


def _check_names(features: Features) -> None:
    entities = [entity.join_key for entity in features.entities]
    views = [view.name for view in features.views]
    for kind, names in (("entities", entities), ("views", views)):
        if len(set(names)) != len(names):
            raise InvalidFeatures(f"features.{kind} has {names}: name each only once")
    used = {join_key for view in features.views for join_key in view.join_keys}
    read = {column.view for column in features.columns}
    # What is declared and used nowhere is most likely a misspelling.
    if used != set(entities):
        raise InvalidFeatures(
            f"the join keys of features.views are {sorted(used)} and features.entities has {sorted(entities)}: "
            "they must be the same"
        )
    if read != set(views):
        raise InvalidFeatures(
            f"features.columns read from {sorted(read)} and features.views has {sorted(views)}: they must be the same"
        )


def _suits(default: Value, datatype: str) -> bool:
    if isinstance(default, bool) or datatype == _BOOLEAN:
        return isinstance(default, bool) and datatype == _BOOLEAN
    if isinstance(default, str) or datatype == _TEXT:
        return isinstance(default, str) and datatype == _TEXT
    return isinstance(default, int) or datatype.startswith("FP")


def _object(value: object, where: str, required: Sequence[str], optional: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidFeatures(f"{where} holds {value!r:.40} where an object belongs")
    fields = cast(dict[str, Any], value)
    unknown = sorted(fields.keys() - {*required, *optional})
    missing = [name for name in required if name not in fields]
    if unknown or missing:
        fault = f"unknown fields: {', '.join(unknown)}" if unknown else f"no {missing[0]!r}"
        raise InvalidFeatures(f"{where} has {fault}; its fields are {', '.join((*required, *optional))}")
    return fields


def _list(fields: Mapping[str, Any], name: str, where: str) -> list[tuple[object, str]]:
    """The members, of which there must be one at least, and where each stands."""
    values: object = fields[name]
    if not isinstance(values, list) or not values:
        raise InvalidFeatures(f"{where} has {values!r:.40} for {name!r}, which must be a list of one or more")
    return [(value, f"{where}.{name}[{index}]") for index, value in enumerate(cast(list[object], values))]


def _text(fields: Mapping[str, Any], name: str, where: str) -> str:
    value: object = fields[name]
    if not isinstance(value, str):
        raise InvalidFeatures(f"{where} has {value!r:.40} for {name!r}, which must be a string")
    return value


def _matching(fields: Mapping[str, Any], name: str, where: str, pattern: re.Pattern[str]) -> str:
    value = _text(fields, name, where)
    if pattern.fullmatch(value) is None:
        raise InvalidFeatures(f"{where} has {value!r:.40} for {name!r}, which must match {pattern.pattern}")
    return value
