"""Tables and items as Feast writes them, for tests of what reads them.

`feast_0_67.json` holds what Feast 0.67.0 itself computes and writes: keys, values, times and a whole item.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract.features import Entity, FeatureColumn, Features, FeatureView
from serving.features.keys import EntityIds, EntityValue

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parent / "feast_0_67.json").read_text())

TIME = "2026-01-31 12:30:15+00:00"
TIME_SECONDS = 1_769_862_615.0

NULL = b""


def double(value: float) -> bytes:
    return b"\x29" + struct.pack("<d", value)


def text(value: str) -> bytes:
    encoded = value.encode()
    return bytes((0x12, len(encoded))) + encoded


def reference_item() -> dict[str, Any]:
    """Of customer 17: the balance 12.5 and the tier gold, at TIME."""
    item = REFERENCE["item"]
    values = {name: {"B": base64.b64decode(value["B"])} for name, value in item["values"]["M"].items()}
    return {**item, "values": {"M": values}}


def item(key: Mapping[str, EntityValue], values: Mapping[str, bytes], event_time: str = TIME) -> dict[str, Any]:
    types = {join_key: "STRING" if isinstance(value, str) else "INT64" for join_key, value in key.items()}
    (entity_id,) = EntityIds(tuple(key), types).of({join_key: [value] for join_key, value in key.items()})
    return {
        "entity_id": {"S": entity_id},
        "event_ts": {"S": event_time},
        "values": {"M": {name: {"B": value} for name, value in values.items()}},
    }


def features(project: str, *columns: FeatureColumn) -> Features:
    """Of customers, of shops, or of what a customer has in a shop: the views that the columns name."""
    keys = {"customer": ("customer_id",), "shop": ("shop_id",), "basket": ("shop_id", "customer_id")}
    types = {"customer_id": "INT64", "shop_id": "STRING"}
    views = tuple(
        FeatureView(name=name, join_keys=keys[name]) for name in dict.fromkeys(column.view for column in columns)
    )
    used = dict.fromkeys(join_key for view in views for join_key in view.join_keys)
    entities = tuple(Entity(join_key=join_key, value_type=types[join_key]) for join_key in used)
    return Features(project=project, entities=entities, views=views, columns=columns)


def column(name: str, **options: Any) -> FeatureColumn:
    """`column("customer:balance", default=0.0)`"""
    view, _, feature = name.partition(":")
    return FeatureColumn(view=view, feature=feature, **options)
