"""The rights that the controller gets in AWS: they cover every call of its life, and name no item beyond these."""

from __future__ import annotations

import threading
from fnmatch import fnmatchcase
from typing import Any

import pytest

from components.controller import access
from contract import registry
from localcloud.moto_server import MotoServer
from ops.notices import Said
from tests.lifecycle.service_world import Many, run_until
from tests.lifecycle.table import TABLE, dynamodb_at

TABLE_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/deployments"
KEY, TOPIC = "arn:aws:kms:us-east-1:123456789012:key/1", "arn:aws:sns:us-east-1:123456789012:alarms"
STATEMENTS = access.statements(
    table_arn=TABLE_ARN, table_key_arn=KEY, topic_arn=TOPIC, topic_key_arn=KEY, region="us-east-1"
)
_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}

Call = tuple[str, str]
"""An action, and the hash key of the item that it is for; the index' name for a question to the index."""


def calls_of(operation: str, given: dict[str, Any]) -> set[Call]:
    if operation == "TransactWriteItems":
        return {
            call
            for part in given["TransactItems"]
            for kind, inner in part.items()
            for call in calls_of(_PARTS[kind], inner)
        }
    action = f"dynamodb:{operation}"
    if operation == "Query":
        values = given["ExpressionAttributeValues"]
        return {(action, given["IndexName"] if "IndexName" in given else values[":hash"]["S"])}
    item = given["Item"] if operation == "PutItem" else given["Key"]
    return {(action, item[registry.HASH_KEY]["S"])}


def allowed() -> set[Call]:
    """By the statements: actions and patterns of hash keys."""
    return {
        (action, pattern)
        for statement in STATEMENTS
        if statement["Action"][0].startswith("dynamodb:")
        for action in statement["Action"]
        for pattern in (
            statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
            if "Condition" in statement
            else [registry.STATUS_INDEX]
        )
    }


@pytest.fixture
def made(shared_table: Any, server: MotoServer) -> set[Call]:
    """What the controller asks of the table while it drives a good canary and a bad one, stops, and tells of them."""
    many = Many(shared_table, ["churn", "fraud"])
    many.error_shares["fraud"] = 0.5
    many.start()
    client = dynamodb_at(server.endpoint)
    found: set[Call] = set()

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        found.update(calls_of(model.name, params))

    client.meta.events.register("provide-client-params.dynamodb", note)
    stop = threading.Event()
    run_until(many.wait_for_all, [(many.service(stop, client), stop)])
    said = Said(client, TABLE, "default")
    claim = said.claim("churn#8#sns")
    assert claim is not None
    said.give_up("churn#8#sns", claim)
    said.mark("churn#8#sns")
    return found


def test_each_call_is_allowed_and_each_right_is_used(made: set[Call]) -> None:
    rights = allowed()
    refused = {call for call in made if not any(call[0] == a and fnmatchcase(call[1], p) for a, p in rights)}
    assert refused == set()
    idle = {right for right in rights if not any(right[0] == a and fnmatchcase(k, right[1]) for a, k in made)}
    assert idle == set()


def test_what_others_decide_is_out_of_its_reach() -> None:
    patterns = {pattern for action, pattern in allowed() if action not in ("dynamodb:GetItem", "dynamodb:Query")}
    others = [
        registry.report("default", "churn", "us-east-1", "pod", 0).hash,
        registry.version("churn", "2.0.0").hash,
        registry.deployment("another-tenant", "churn").hash,
    ]
    assert not [key for key in others if any(fnmatchcase(key, pattern) for pattern in patterns)]


def test_keys_are_used_through_their_services_and_only_the_topic_is_published_to() -> None:
    through = [s["Condition"]["StringEquals"]["kms:ViaService"] for s in STATEMENTS if s["Resource"] == [KEY]]
    assert through == ["dynamodb.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com"]
    [publish] = [statement for statement in STATEMENTS if "sns:Publish" in statement["Action"]]
    assert publish["Resource"] == [TOPIC]
    assert all("*" not in str(statement["Resource"]) for statement in STATEMENTS)
