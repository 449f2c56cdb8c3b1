"""The local account's tables under several writers: each request happens as a whole, as in DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from localcloud.account.clients import Clients
from localcloud.moto_server import MotoServer
from tests.localcloud.conftest import REGION, Account

TABLE = "counted"
THERE_ALREADY = 500
"""A transaction takes the longer the more there is, and so much likelier meets another write."""
WRITES = 100


def make_table(account: Account) -> Any:
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for start in range(0, THERE_ALREADY, 25):
        puts = [{"PutRequest": {"Item": {"name": {"S": f"there-{start + number}"}}}} for number in range(25)]
        dynamodb.batch_write_item(RequestItems={TABLE: puts})
    return dynamodb


def at_once(server: MotoServer, *works: Callable[[Any], object]) -> None:
    """Run each on a thread of its own with a client of its own."""
    with ThreadPoolExecutor(len(works)) as pool:
        running = [pool.submit(work, Clients(server.endpoint).at("dynamodb", REGION)) for work in works]
        for future in running:
            future.result()


def test_a_transaction_that_fails_takes_no_other_write_with_it(server: MotoServer, account: Account) -> None:
    make_table(account)

    def put(client: Any) -> None:
        for number in range(WRITES):
            client.put_item(TableName=TABLE, Item={"name": {"S": f"item-{number}"}})

    def fail(client: Any) -> None:
        for _ in range(WRITES):
            try:
                client.transact_write_items(TransactItems=[{"Put": put_if_there("nobody")}])
            except client.exceptions.TransactionCanceledException:
                continue
            raise AssertionError("a transaction was made whose condition does not hold")

    at_once(server, put, fail)
    assert account.client("dynamodb").scan(TableName=TABLE, Select="COUNT")["Count"] == THERE_ALREADY + WRITES


def test_of_several_that_count_up_under_a_condition_each_count_is_made_once(
    server: MotoServer, account: Account
) -> None:
    make_table(account).put_item(TableName=TABLE, Item={"name": {"S": "count"}, "value": {"N": "0"}})

    def count(client: Any) -> None:
        made = 0
        while made < WRITES // 4:
            item = client.get_item(TableName=TABLE, Key={"name": {"S": "count"}}, ConsistentRead=True)["Item"]
            before = int(item["value"]["N"])
            put = {
                "TableName": TABLE,
                "Item": {"name": {"S": "count"}, "value": {"N": str(before + 1)}},
                "ConditionExpression": "#value = :before",
                "ExpressionAttributeNames": {"#value": "value"},
                "ExpressionAttributeValues": {":before": {"N": str(before)}},
            }
            try:
                client.transact_write_items(TransactItems=[{"Put": put}])
            except client.exceptions.TransactionCanceledException:
                continue
            made += 1

    at_once(server, *[count] * 4)
    found = account.client("dynamodb").get_item(TableName=TABLE, Key={"name": {"S": "count"}})
    assert found["Item"]["value"] == {"N": str(WRITES)}


def put_if_there(name: str) -> dict[str, Any]:
    return {
        "TableName": TABLE,
        "Item": {"name": {"S": name}},
        "ConditionExpression": "attribute_exists(#name)",
        "ExpressionAttributeNames": {"#name": "name"},
    }
