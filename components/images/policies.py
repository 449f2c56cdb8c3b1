"""Documents of an image repository: who may reach it, and which images it keeps."""

from __future__ import annotations

from typing import Any

from infra import documents
from infra.errors import InvalidInput

UNTAGGED_RETENTION_DAYS = 14
MINIMUM_RETAINED_IMAGES = 2


class TooFewImages(InvalidInput):
    """A retention under which a release would take away the image to roll back to."""


def repository_policy(account_id: str, region: str, function_prefix: str) -> dict[str, Any]:
    """Nobody outside the account, and Lambda for functions whose name begins with `function_prefix` and a hyphen.

    Principals of the account need nothing here: their own policies grant the pull. Lambda pulls as a service, and
    its function is made only if the repository says so (AWS Lambda developer guide, "Amazon ECR permissions").
    """
    return documents.policy(
        [
            {
                "Sid": "RefuseOtherAccounts",
                "Effect": "Deny",
                # A refusal is the safer the wider it is: everyone, every action.
                "Principal": "*",
                "Action": "ecr:*",
                "Condition": {
                    "StringNotEquals": {"aws:PrincipalAccount": account_id},
                    # A service has no account; the statement below says which one is let in.
                    "Bool": {"aws:PrincipalIsAWSService": "false"},
                },
            },
            {
                "Sid": "LambdaPull",
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account_id},
                    "ArnLike": {"aws:SourceArn": f"arn:aws:lambda:{region}:{account_id}:function:{function_prefix}-*"},
                },
            },
        ]
    )


def lifecycle_policy(retained_images: int) -> dict[str, Any]:
    """Keeps the newest `retained_images` releases, and what lost its tag or never had one for two weeks.

    Raises TooFewImages below two: the running release and the one before it.
    """
    if retained_images < MINIMUM_RETAINED_IMAGES:
        raise TooFewImages(
            f"retained_images is {retained_images}: keep {MINIMUM_RETAINED_IMAGES} or more, "
            "the running release and one to roll back to"
        )
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"Untagged images expire after {UNTAGGED_RETENTION_DAYS} days",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": UNTAGGED_RETENTION_DAYS,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "description": f"The newest {retained_images} releases stay",
                "selection": {
                    "tagStatus": "tagged",
                    "tagPatternList": ["*"],
                    "countType": "imageCountMoreThan",
                    "countNumber": retained_images,
                },
                "action": {"type": "expire"},
            },
        ]
    }
