"""A client of the feature store that answers what it is told to."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from serving.features.plan import Plan
from serving.features.settings import TABLE_NAME_TEMPLATE
from tests.serving import feast_items
from tests.serving.feast_items import column, double

SHORT_MS = 100
MARKER = 7_301_973


class Stub:
    """A client that answers what it is told to, in turn, the last one for ever: keys left over, or an error."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[list[str]] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
        ((table, request),) = RequestItems.items()
        keys = request["Keys"]
        self.asked.append([key["entity_id"]["S"] for key in keys])
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        taken = keys[: len(keys) - answer]
        found = [{**key, "values": {"M": {"age": {"B": double(5)}}}} for key in taken]
        return {"Responses": {table: found}, "UnprocessedKeys": {table: {"Keys": keys[len(taken) :]}}}


PLAN = Plan(feast_items.features("churn", column("customer:age")), "FP64", TABLE_NAME_TEMPLATE)


def client_error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": str(MARKER)}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "BatchGetItem",
    )
