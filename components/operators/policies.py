"""The policy of each duty. What its commands call, and nothing else, is allowed; tests hold each against the commands.

A version's way to users takes two people, whatever a record says. A publisher's bytes stay in staging. An approver has
no way to write a version there, and can make one in production only by copying: `checksums.json`, which makes a version
and promises every byte of it, is written there by nobody's hand. A model file that is copied in parts cannot be bound
to a source; an approver who sent other parts would make one that the checksums do not promise, which no server takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.operators.duties import Approval, Duty
from components.operators.reach import Reach, Text, objects_arn, text
from components.operators.statements import (
    SENT_IN_PARTS,
    WRITTEN_ONCE,
    Statement,
    allow,
    by_index,
    find_under,
    list_under,
    on_buckets,
    on_items,
    on_objects,
    refuse,
    sign_with,
    tell,
    use_data_keys,
    use_log_keys,
)
from contract import access, objects, registry
from contract.deployment import DEFAULT_TENANT
from infra import documents

MODEL_OBJECTS = f"{objects.MODELS_PREFIX}*"
MODEL_FILES = f"{objects.MODELS_PREFIX}*.onnx"
MODEL_DOCUMENTS = f"{objects.MODELS_PREFIX}*.json"
"""Checksums, signature and metadata."""
USER_OBJECTS = f"{objects.USERS_PREFIX}*"

SIGNING, PRIVACY = "signing", "privacy"
"""What keys are made for that sign versions, and reports on users' data: the part of their alias after the prefix."""

# Where each kind of item lies, whatever it is called.
_VERSIONS = registry.version("*", "").hash
_DEPLOYMENTS = registry.deployment(DEFAULT_TENANT, "").hash
_HISTORY = registry.history(DEFAULT_TENANT, "*", 0).hash
_REPORTS = registry.report(DEFAULT_TENANT, "*", "", "", 0).hash
_LEASES = registry.lease(DEFAULT_TENANT, "").hash
_NOTICES = registry.notice(DEFAULT_TENANT, "").hash

_LOCKS_AND_LIFECYCLE = ("s3:GetBucketObjectLockConfiguration", "s3:GetLifecycleConfiguration")


def document(duty: Duty, reach: Reach) -> dict[str, Any]:
    """The policy of a duty; values that are known only later are Outputs in it."""
    return documents.policy(_STATEMENTS[duty](reach))


def _publisher(reach: Reach) -> list[Statement]:
    targets, others = _published_to(reach)
    return [
        *([list_under("ListVersions", others, _MODELS)] if others else []),
        find_under("FindPublished", targets, _MODELS),
        on_objects("ReadVersions", ["s3:GetObject"], _models(reach), MODEL_OBJECTS),
        on_objects("PublishOnce", ["s3:PutObject"], targets, MODEL_OBJECTS, WRITTEN_ONCE),
        on_objects("SendParts", ["s3:PutObject"], targets, MODEL_OBJECTS, SENT_IN_PARTS),
        on_buckets("FindUploads", ["s3:ListBucketMultipartUploads"], targets),
        on_objects("TakeUploadsUp", ["s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"], targets, MODEL_OBJECTS),
        use_data_keys("EncryptVersions", ["kms:GenerateDataKey"], [reach.home], ["s3"]),
        use_data_keys("Decrypt", ["kms:Decrypt"], reach.stores, ["s3", "dynamodb"]),
        *_keep_records(reach),
        sign_with("Sign", reach, SIGNING),
    ]


def _approver(reach: Reach) -> list[Statement]:
    production = _production(reach)
    # By hand only model files can be written to production, so no document there is a copy of what was.
    sources = [text(bucket, "/", MODEL_DOCUMENTS) for bucket in (reach.home.staging_bucket, production[0])]
    copied = {**WRITTEN_ONCE, "StringLike": {"s3:x-amz-copy-source": sources}}
    return [
        list_under("ListStaged", [reach.home.staging_bucket], _MODELS),
        find_under("FindPromoted", production, _MODELS),
        on_objects("ReadVersions", ["s3:GetObject"], _models(reach), MODEL_OBJECTS),
        on_objects("CopyDocuments", ["s3:PutObject"], production, MODEL_DOCUMENTS, copied),
        on_objects("CopyFiles", ["s3:PutObject"], production, MODEL_FILES, WRITTEN_ONCE),
        on_objects("CopyParts", ["s3:PutObject"], production, MODEL_FILES, SENT_IN_PARTS),
        on_objects("GiveCopiesUp", ["s3:AbortMultipartUpload"], production, MODEL_FILES),
        use_data_keys("EncryptCopies", ["kms:GenerateDataKey"], reach.stores, ["s3"]),
        use_data_keys("Decrypt", ["kms:Decrypt"], reach.stores, ["s3", "dynamodb"]),
        *_keep_records(reach),
        *_no_publishing(reach),
    ]


def _custodian(reach: Reach) -> list[Statement]:
    buckets = _models(reach)
    return [
        list_under("ListVersions", buckets, _MODELS),
        on_buckets("SeeRetention", ["s3:GetBucketVersioning", *_LOCKS_AND_LIFECYCLE], buckets),
        # Without a right to delete by version: what is deleted lies behind a marker, until the lifecycle ends it.
        on_objects("HideVersions", ["s3:DeleteObject"], buckets, MODEL_OBJECTS),
        on_buckets("FindUploads", ["s3:ListBucketMultipartUploads"], buckets),
        on_objects("EndUploads", ["s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"], buckets, MODEL_OBJECTS),
        use_data_keys("Decrypt", ["kms:Decrypt"], reach.stores, ["dynamodb"]),
        *_keep_records(reach),
    ]


def _deployer(reach: Reach) -> list[Statement]:
    tables = _deployments(reach)
    looked_up = [_DEPLOYMENTS, _HISTORY, _REPORTS, _LEASES, _VERSIONS]
    published = [] if _is_evidence_needed(reach) else [list_under("FindVersions", _production(reach)[:1], _MODELS)]
    return [
        on_items("ReadDeployments", ["dynamodb:GetItem", "dynamodb:Query"], tables, looked_up),
        by_index("FindByStatus", tables, registry.STATUS_INDEX),
        on_items("ChangeDeployments", ["dynamodb:PutItem"], tables, [_DEPLOYMENTS, _HISTORY]),
        on_items("BindChanges", ["dynamodb:ConditionCheckItem"], tables, [_VERSIONS, _LEASES]),
        on_items("HoldLeases", ["dynamodb:PutItem", "dynamodb:UpdateItem"], tables, [_LEASES]),
        on_items("NoteNotices", ["dynamodb:PutItem", "dynamodb:DeleteItem"], tables, [_NOTICES]),
        use_data_keys("Decrypt", ["kms:Decrypt"], reach.stores, ["dynamodb"]),
        *tell(reach),
        *published,
    ]


def _key_admin(reach: Reach) -> list[Statement]:
    tables = _api_keys(reach)
    items = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Scan"]
    return [
        # A key's id is its hash key and says nothing of whose it is, so rights to some keys cannot be given.
        allow("KeepKeys", items, tables),
        by_index("FindKeysOfUser", tables, access.USER_INDEX),
        use_data_keys("Decrypt", ["kms:Decrypt"], reach.stores, ["dynamodb"]),
        list_under("FindModels", _production(reach)[:1], _MODELS),
    ]


def _data_officer(reach: Reach) -> list[Statement]:
    buckets = [*_models_everywhere(reach), *(part.datasets_bucket for part in reach.stores)]
    # S3 leaves out of an object's description what the caller may not ask for (S3 API reference, HeadObject,
    # x-amz-object-lock-mode and x-amz-object-lock-legal-hold): locked objects would pass for free ones.
    locks = ["s3:GetObjectRetention", "s3:GetObjectLegalHold"]
    return [
        list_under("FindObjects", buckets, objects.USERS_PREFIX, actions=["s3:ListBucketVersions"]),
        on_buckets("SeeRetention", [*_LOCKS_AND_LIFECYCLE, "s3:ListBucketMultipartUploads"], buckets),
        on_objects("ReadObjects", ["s3:GetObjectVersion", *locks], buckets, USER_OBJECTS),
        on_objects("DeleteObjects", ["s3:DeleteObjectVersion", "s3:AbortMultipartUpload"], buckets, USER_OBJECTS),
        allow("DeleteKeys", ["dynamodb:Scan", "dynamodb:DeleteItem"], _api_keys(reach)),
        allow("FindMentions", ["dynamodb:Scan"], _deployments(reach)),
        allow("SeeRecovery", ["dynamodb:DescribeContinuousBackups"], [*_api_keys(reach), *_deployments(reach)]),
        use_data_keys("Decrypt", ["kms:Decrypt"], reach.stores, ["s3", "dynamodb"]),
        sign_with("SignReports", reach, PRIVACY),
    ]


def _auditor(reach: Reach) -> list[Statement]:
    audit = [part.audit_bucket for part in reach.stores]
    items = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"]
    return [
        list_under("ListVersions", _models(reach), _MODELS),
        on_objects("ReadVersions", ["s3:GetObject"], _models(reach), MODEL_OBJECTS),
        allow("ReadTables", items, [*_deployments(reach), *_api_keys(reach)]),
        by_index("FindByStatus", _deployments(reach), registry.STATUS_INDEX),
        by_index("FindKeysOfUser", _api_keys(reach), access.USER_INDEX),
        use_data_keys("Decrypt", ["kms:Decrypt"], reach.stores, ["s3", "dynamodb"]),
        on_buckets("ListAuditLogs", ["s3:ListBucket"], audit),
        on_objects("ReadAuditLogs", ["s3:GetObject"], audit, "*"),
        use_log_keys("DecryptAuditLogs", reach.stores),
    ]


_STATEMENTS: Mapping[Duty, Callable[[Reach], list[Statement]]] = {
    Duty.PUBLISHER: _publisher,
    Duty.APPROVER: _approver,
    Duty.CUSTODIAN: _custodian,
    Duty.DEPLOYER: _deployer,
    Duty.KEY_ADMIN: _key_admin,
    Duty.DATA_OFFICER: _data_officer,
    Duty.AUDITOR: _auditor,
}

_MODELS = objects.MODELS_PREFIX


def _keep_records(reach: Reach) -> list[Statement]:
    """Of versions alone. Who looks at versions also asks, by a scan, which of them deployments name."""
    tables = _deployments(reach)
    items = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"]
    return [
        on_items("KeepVersionRecords", items, tables, [_VERSIONS]),
        allow("FindNamedVersions", ["dynamodb:Scan"], tables),
    ]


def _no_publishing(reach: Reach) -> list[Statement]:
    """Where another must approve, who may approve may not publish, whichever other policies they have."""
    if reach.approval is not Approval.BY_ANOTHER:
        return []
    staging = [objects_arn(part.staging_bucket, MODEL_OBJECTS) for part in reach.stores]
    return [refuse("PublishNothing", ["s3:PutObject"], staging)]


def _is_evidence_needed(reach: Reach) -> bool:
    return reach.approval is not Approval.NOT_NEEDED


def _published_to(reach: Reach) -> tuple[list[Text], list[Text]]:
    """The buckets that versions are published to, and the others, to which they are brought."""
    staging, production = [reach.home.staging_bucket], _production(reach)
    return (staging, production) if _is_evidence_needed(reach) else ([*staging, production[0]], production[1:])


def _production(reach: Reach) -> list[Text]:
    return [part.production_bucket for part in reach.stores]


def _models(reach: Reach) -> list[Text]:
    """The buckets that a version passes through."""
    return [reach.home.staging_bucket, *_production(reach)]


def _models_everywhere(reach: Reach) -> list[Text]:
    return [*(part.staging_bucket for part in reach.stores), *_production(reach)]


def _deployments(reach: Reach) -> list[Text]:
    """Every region's: what is written to one is written to both, and commands take the one that answers."""
    return [part.deployments_table_arn for part in reach.stores]


def _api_keys(reach: Reach) -> list[Text]:
    return [part.api_keys_table_arn for part in reach.stores]
