"""Which versions of a model deployments name, for whatever tenant."""

from __future__ import annotations

from contract import deployment as documents
from contract import registry
from contract.deployment import Deployment
from ops.platform import Platform
from ops.table import scan


def deployments_of(platform: Platform, model: str) -> list[Deployment]:
    """Read from the whole table, since what is asked here decides what is deleted, and an index lags.

    Raises InvalidDeployment where one cannot be read: what it names is not known then.
    """
    found: list[Deployment] = []
    items = scan(
        platform.dynamodb,
        platform.outputs.deployments_table,
        # Only deployments have a status.
        FilterExpression="attribute_exists(#status)",
        ProjectionExpression="#document",
        ExpressionAttributeNames={"#status": registry.STATUS_ATTRIBUTE, "#document": registry.DOCUMENT_ATTRIBUTE},
    )
    for item in items:
        record = documents.decode(item[registry.DOCUMENT_ATTRIBUTE]["S"], Deployment)
        if record.model == model:
            found.append(record)
    return found
