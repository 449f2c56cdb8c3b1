"""What one model version asks of the online store for a row, and how the columns of its input come of the answer.

Pure: it makes requests and reads items, and knows neither network nor event loop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import Any, NamedTuple, cast

import numpy as np

from contract.features import FeatureColumn, Features, Value
from serving.features import values
from serving.features.entities import Entities, field
from serving.features.keys import EntityIds
from serving.features.values import MISSING, UNREADABLE, Found
from serving.messages import Refused
from serving.model import NUMPY_TYPES, Array, ModelRefused

MISSING_CODE, OLD_CODE, UNREADABLE_CODE = "feature_missing", "feature_too_old", "feature_unreadable"

# The attributes of an item as Feast writes it.
_ID, _TIME, _VALUES = "entity_id", "event_ts", "values"
# "Expression parameters" of the Amazon DynamoDB developer guide: the longest an expression may be.
_LONGEST_EXPRESSION_BYTES = 4096


class Entry(NamedTuple):
    """What the store has for one entity in one view."""

    found: tuple[Found, ...]
    """For each column that the view fills."""
    event_time: float
    """Seconds since 1970; NaN where it is not read or no time."""


_NOTHING = Entry((), math.nan)


class View:
    """One table, and the columns that it fills."""

    def __init__(self, name: str, table: str, ids: EntityIds, columns: Mapping[int, FeatureColumn], datatype: str):
        self.name = name
        self.table = table
        self.ids = ids
        self.positions = tuple(columns)
        self._columns = tuple(columns.values())
        self._fit = values.fit(datatype)
        self._defaults = tuple(self._default(column, datatype) for column in self._columns)
        self._aged = any(column.max_age_seconds is not None for column in self._columns)
        self._projection = _projection([column.feature for column in self._columns])

    def request(self, ids: Iterable[str]) -> dict[str, Any]:
        """The table's part of `RequestItems`."""
        return {"Keys": [{_ID: {"S": entity_id}} for entity_id in ids], **self._projection}

    def entry(self, item: Mapping[str, Any]) -> Entry:
        """Read an item, whatever it holds."""
        # An item that holds none of the features asked for comes without any values.
        messages = _attribute(item.get(_VALUES, {"M": {}}), "M")
        if not isinstance(messages, dict):
            return Entry((UNREADABLE,) * len(self._columns), math.nan)
        by_feature = cast(dict[str, object], messages)
        return Entry(
            tuple(self._found(by_feature.get(column.feature)) for column in self._columns),
            _event_time(item) if self._aged else math.nan,
        )

    def row(self, entry: Entry | None, row: int, now: float) -> tuple[tuple[Value, ...], int]:
        """The values of the view's columns and how many of them are defaults; raise Refused, which names the row."""
        found, event_time = entry or _NOTHING
        taken: list[Value] = []
        defaults = 0
        for index, (column, default) in enumerate(zip(self._columns, self._defaults, strict=True)):
            value = found[index] if found else MISSING
            code = self._fault(column, value, now - event_time)
            if code is None:
                taken.append(cast(Value, value))
            elif default is not None and (code == MISSING_CODE or (code == OLD_CODE and column.default_if_old)):
                taken.append(default)
                defaults += 1
            else:
                raise self._refused(code, column, row)
        return tuple(taken), defaults

    def _found(self, attribute: object) -> Found:
        if attribute is None:
            return MISSING
        message = _attribute(attribute, "B")
        if not isinstance(message, bytes):
            return UNREADABLE
        value = values.read(message)
        if isinstance(value, values.Lack):
            return value
        fitting = self._fit(value)
        return UNREADABLE if fitting is None else fitting

    def _fault(self, column: FeatureColumn, value: Found, age_seconds: float) -> str | None:
        if value is MISSING:
            return MISSING_CODE
        if value is UNREADABLE:
            return UNREADABLE_CODE
        if column.max_age_seconds is None or age_seconds <= column.max_age_seconds:
            return None
        return UNREADABLE_CODE if math.isnan(age_seconds) else OLD_CODE

    def _refused(self, code: str, column: FeatureColumn, row: int) -> Refused:
        name, at = f"{self.name}:{column.feature}", field(self.ids.join_keys[0], row)
        if code == UNREADABLE_CODE:
            # The caller cannot mend what the store holds.
            message = f"what is stored of the feature {name} for row {row} does not suit the model's input"
            return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, code, message, field=at)
        if code == OLD_CODE:
            message = f"the feature {name} of row {row} is older than the model's {column.max_age_seconds} s"
        else:
            message = f"there is no feature {name} for row {row}, and the model has no default for it"
        return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, code, message, field=at)

    def _default(self, column: FeatureColumn, datatype: str) -> Value | None:
        if column.default is None:
            return None
        default = self._fit(column.default)
        if default is None:
            raise ModelRefused(
                f"the default of the feature {column.view}:{column.feature} does not fit {datatype}, the type of the "
                "input: publish the version with another"
            )
        return default


Key = tuple[View, str]
"""One item: its view, and the id of its entity."""


class Plan:
    """All that a model version looks up; made once for each version. Raises ModelRefused for defaults out of range."""

    def __init__(self, features: Features, datatype: str, table_name_template: str) -> None:
        self.features = features
        self._dtype: np.dtype[Any] = np.dtype(NUMPY_TYPES[datatype])
        value_types = {entity.join_key: entity.value_type for entity in features.entities}
        self.views = tuple(
            View(
                view.name,
                table_name_template.format(project=features.project, table_name=view.name),
                EntityIds(view.join_keys, value_types),
                {at: column for at, column in enumerate(features.columns) if column.view == view.name},
                datatype,
            )
            for view in features.views
        )

    def keys(self, entities: Entities) -> list[list[Key]]:
        """For each view the key of each row."""
        ids: dict[tuple[str, ...], list[str]] = {}
        for view in self.views:
            if view.ids.join_keys not in ids:
                ids[view.ids.join_keys] = view.ids.of(entities)
        return [[(view, entity_id) for entity_id in ids[view.ids.join_keys]] for view in self.views]

    def rows(self, keys: Sequence[Sequence[Key]], entries: Mapping[Key, Entry], now: float) -> tuple[Array, int]:
        """The input, and how many of its values are defaults. Raise Refused: 422 for what is missing or too old."""
        rows = np.empty((len(keys[0]), len(self.features.columns)), self._dtype)
        defaults = 0
        for view, of_rows in zip(self.views, keys, strict=True):
            # Many rows may be of one entity.
            known: dict[Key, tuple[tuple[Value, ...], int]] = {}
            for row, key in enumerate(of_rows):
                if key not in known:
                    known[key] = view.row(entries.get(key), row, now)
            taken = [known[key] for key in of_rows]
            rows[:, view.positions] = np.array([of_view for of_view, _ in taken], self._dtype)
            defaults += sum(count for _, count in taken)
        return rows, defaults


def batches(keys: Iterable[Key], size: int) -> list[list[Key]]:
    """Each key once, in lists of at most `size`."""
    left = iter(dict.fromkeys(keys))
    return list(iter(lambda: list(islice(left, size)), []))


def request_items(keys: Iterable[Key]) -> dict[str, dict[str, Any]]:
    """The `RequestItems` of a BatchGetItem."""
    by_view: dict[View, list[str]] = {}
    for view, entity_id in keys:
        by_view.setdefault(view, []).append(entity_id)
    return {view.table: view.request(ids) for view, ids in by_view.items()}


def entries_of(keys: Iterable[Key], answer: Mapping[str, Any]) -> tuple[dict[Key, Entry], list[Key]]:
    """What an answer says of the keys that were asked for, and those of them that the store left for another call.

    Raise KeyError or another error for what is no answer: the SDK makes an empty one of a body that is not JSON.
    """
    if "Responses" not in answer and "UnprocessedKeys" not in answer:
        raise KeyError("Responses")
    views = {view.table: view for view, _ in keys}
    found = {
        (view, item[_ID]["S"]): view.entry(item)
        for table, view in views.items()
        for item in answer.get("Responses", {}).get(table, [])
    }
    left = [
        (view, key[_ID]["S"])
        for table, view in views.items()
        for key in answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
    ]
    return found, left


def _projection(features: Sequence[str]) -> dict[str, Any]:
    """Asks for these features alone, unless they are too many to name: views often hold more than one model uses."""
    names = {f"#f{index}": feature for index, feature in enumerate(dict.fromkeys(features))}
    expression = ", ".join(["#i", "#t", *(f"#v.{alias}" for alias in names)])
    if len(expression) > _LONGEST_EXPRESSION_BYTES:
        return {}
    return {
        "ProjectionExpression": expression,
        "ExpressionAttributeNames": {"#i": _ID, "#t": _TIME, "#v": _VALUES, **names},
    }


def _attribute(attribute: object, kind: str) -> object:
    """What an attribute holds, None where it is of another type."""
    return cast(dict[str, object], attribute).get(kind) if isinstance(attribute, dict) else None


def _event_time(item: Mapping[str, Any]) -> float:
    text = _attribute(item.get(_TIME), "S")
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
        if time is None:
            return math.nan
        # Feast writes the offset; without one it means UTC.
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan
