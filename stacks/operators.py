"""The policies of who operates the platform, on what the stack made."""

from __future__ import annotations

from collections.abc import Mapping

from components.base import Place
from components.operators.duties import approval_in
from components.operators.operators import Operators, OperatorsArgs
from components.operators.reach import Reach, RegionStores
from components.registry.api_keys import ApiKeys
from components.registry.deployments import Registry
from infra.settings import Settings
from stacks.region import DataLayer


def build_operators(
    settings: Settings,
    shared: Place,
    account_id: str,
    data: Mapping[str, DataLayer],
    registry: Registry,
    api_keys: ApiKeys,
) -> Operators:
    reach = Reach(
        account_id=account_id,
        prefix=shared.names.prefix,
        stores=[
            RegionStores(
                region=region,
                production_bucket=layer.store.production_bucket,
                staging_bucket=layer.store.staging_bucket,
                datasets_bucket=layer.store.datasets_bucket,
                audit_bucket=layer.store.audit_bucket,
                deployments_table_arn=registry.table_arns[region],
                api_keys_table_arn=api_keys.table_arns[region],
                data_key_arn=layer.keys.data_key_arn,
                logs_key_arn=layer.keys.logs_key_arn,
            )
            for region, layer in data.items()
        ],
        topic_arn=data[settings.pair.primary].alarm_topic.topic_arn,
        topic_region=settings.pair.primary,
        approval=approval_in(settings.environment),
    )
    return Operators(shared.names.of("operators"), OperatorsArgs(place=shared, reach=reach))
