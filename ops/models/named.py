"""Which versions of a model deployments name, for whatever tenant."""

from __future__ import annotations

from typing import Any

from contract import deployment as documents
from contract import registry
from contract.deployment import Deployment
from ops.platform import Platform


def deployments_of(platform: Platform, model: str) -> list[Deployment]:
    """Read from the whole table, since what is asked here decides what is deleted, and an index lags.

    Raises InvalidDeployment where one cannot be read: what it names is not known then.
    """
    found: list[Deployment] = []
    pages = platform.dynamodb.get_paginator("scan").paginate(
        TableName=platform.outputs.deployments_table,
        ConsistentRead=True,
        # Only deployments have a status.
        FilterExpression="attribute_exists(#status)",
        ProjectionExpression="#document",
        ExpressionAttributeNames={"#status": registry.STATUS_ATTRIBUTE, "#document": registry.DOCUMENT_ATTRIBUTE},
    )
    for page in pages:
        for item in page["Items"]:
            document: Any = item[registry.DOCUMENT_ATTRIBUTE]
            record = documents.decode(document["S"], Deployment)
            if record.model == model:
                found.append(record)
    return found
