"""What AWS calls its failures: the code of an error, and the codes that more than one module compares."""

from __future__ import annotations

from botocore.exceptions import ClientError

# DynamoDB's answers to a conditional write, to a transaction, and to a write that met another's transaction.
CONDITION_FAILED = "ConditionalCheckFailedException"
TRANSACTION_CANCELLED = "TransactionCanceledException"
TRANSACTION_IN_THE_WAY = "TransactionConflictException"

# S3's answers to a conditional write: the object is there, or another write of it is under way.
ALREADY_THERE = "PreconditionFailed"
UNDER_WAY = "ConditionalRequestConflict"

# The bare numbers are answers to HEAD requests, which have no body that could name a code.
PRECONDITION_FAILED = (ALREADY_THERE, "412")
NO_OBJECT = ("NoSuchKey", "404")

NO_UPLOAD = "NoSuchUpload"
NO_LOCK = "ObjectLockConfigurationNotFoundError"
NO_LIFECYCLE = "NoSuchLifecycleConfiguration"


def code_of(error: ClientError) -> str:
    """Empty where the answer names none."""
    return error.response.get("Error", {}).get("Code", "")


def cancellation_reasons(error: ClientError) -> list[str]:
    """Why a transaction was cancelled, a code for each of its items in their order; empty for any other error."""
    if code_of(error) != TRANSACTION_CANCELLED:
        return []
    return [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]
