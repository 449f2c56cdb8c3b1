"""The image repository of a region, on mocks, and its documents by value."""

from __future__ import annotations

import json

import pytest

from components.images.policies import TooFewImages, lifecycle_policy, repository_policy
from components.images.registry import Images, ImagesArgs, InvalidImageReplication
from localcloud.graph import Graph
from tests.support.components import graph_of, place

ACCOUNT = "123456789012"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/images"


def images(replicate_to: str | None = "eu-central-1", *, protect: bool = False) -> Images:
    return Images(
        "images",
        ImagesArgs(
            place=place(protect=protect),
            account_id=ACCOUNT,
            repository="serveml-test/inference",
            key_arn=KEY,
            replicate_to=replicate_to,
            retained_images=30,
        ),
    )


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(images)


def test_a_preview_registers_what_the_update_does(graph: Graph) -> None:
    assert {n.urn for n in graph_of(images, preview=True)} == {n.urn for n in graph}


def test_a_tag_never_moves_and_every_push_is_scanned(graph: Graph) -> None:
    repository = graph.one("Repository").inputs
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}


def test_images_lie_under_our_key_in_the_region_of_the_place(graph: Graph) -> None:
    repository = graph.one("Repository")
    assert repository.inputs["encryptionConfigurations"] == [{"encryptionType": "KMS", "kmsKey": KEY}]
    assert {n.region for n in graph.custom()} == {"eu-west-1"}


def test_a_full_repository_stops_destroy_unless_asked_otherwise(graph: Graph) -> None:
    assert graph.one("Repository").inputs["forceDelete"] is False
    assert graph_of(lambda: images(protect=True)).one("Repository").protect


def test_the_primary_copies_this_repository_and_no_other_to_the_secondary(graph: Graph) -> None:
    (rule,) = graph.one("ReplicationConfiguration").inputs["replicationConfiguration"]["rules"]
    assert rule["destinations"] == [{"region": "eu-central-1", "registryId": ACCOUNT}]
    assert rule["repositoryFilters"] == [{"filter": "serveml-test/inference", "filterType": "PREFIX_MATCH"}]


def test_the_secondary_keeps_the_same_settings_and_copies_nothing_on(graph: Graph) -> None:
    secondary = graph_of(lambda: images(None))
    assert not secondary.of_type("ReplicationConfiguration")
    for kind in ("Repository", "RepositoryPolicy", "LifecyclePolicy"):
        assert secondary.one(kind).inputs == graph.one(kind).inputs


def test_replication_to_the_same_region_is_refused() -> None:
    with pytest.raises(InvalidImageReplication, match="to itself"):
        images("eu-west-1")


def test_the_policies_belong_to_the_repository(graph: Graph) -> None:
    assert graph.one("RepositoryPolicy").inputs["repository"] == "serveml-test/inference"
    policy = json.loads(graph.one("RepositoryPolicy").inputs["policy"])
    assert policy == repository_policy(ACCOUNT, "eu-west-1", "serveml-test")
    assert json.loads(graph.one("LifecyclePolicy").inputs["policy"]) == lifecycle_policy(30)


def test_principals_of_other_accounts_are_refused_whatever_else_is_granted() -> None:
    refusal = repository_policy(ACCOUNT, "eu-west-1", "serveml-test")["Statement"][0]
    assert (refusal["Effect"], refusal["Principal"], refusal["Action"]) == ("Deny", "*", "ecr:*")
    assert refusal["Condition"]["StringNotEquals"] == {"aws:PrincipalAccount": ACCOUNT}
    # Without this the refusal would also hit Lambda, whose pull has no account.
    assert refusal["Condition"]["Bool"] == {"aws:PrincipalIsAWSService": "false"}


def test_the_only_grant_is_a_pull_by_lambda_for_functions_of_this_environment() -> None:
    (grant,) = [
        s for s in repository_policy(ACCOUNT, "eu-west-1", "serveml-test")["Statement"] if s["Effect"] == "Allow"
    ]
    assert grant["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert set(grant["Action"]) == {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
    assert grant["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:serveml-test-*"},
    }


def test_untagged_images_expire_after_two_weeks_and_the_newest_releases_stay() -> None:
    untagged, releases = [rule["selection"] for rule in lifecycle_policy(30)["rules"]]
    assert (untagged["tagStatus"], untagged["countUnit"], untagged["countNumber"]) == ("untagged", "days", 14)
    assert (releases["tagStatus"], releases["tagPatternList"]) == ("tagged", ["*"])
    assert (releases["countType"], releases["countNumber"]) == ("imageCountMoreThan", 30)


def test_a_retention_without_an_image_to_roll_back_to_is_refused() -> None:
    with pytest.raises(TooFewImages, match="retained_images is 1"):
        lifecycle_policy(1)
