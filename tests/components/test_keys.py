"""The keys on mocks: symmetric, rotated, guarded, each with its alias and its own policy."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from components.keys import policies
from components.keys.keys import InvalidDeletionWindow, Keys, KeysArgs
from localcloud.graph import Graph
from tests.support.components import TAGS, graph_of, place

REGION = "eu-west-1"
ACCOUNT_ID = "123456789012"
PURPOSES = ["cluster", "data", "images", "logs"]


def keys(*, protect: bool = False, deletion_window_days: int = 30) -> Callable[[], Keys]:
    return lambda: Keys(
        "keys",
        KeysArgs(
            place=place(REGION, protect=protect), account_id=ACCOUNT_ID, deletion_window_days=deletion_window_days
        ),
    )


@pytest.fixture(scope="module")
def made() -> Graph:
    return graph_of(keys())


def test_a_preview_shows_every_resource_of_the_update(made: Graph) -> None:
    assert {node.urn for node in graph_of(keys(), preview=True)} == {node.urn for node in made}


def test_each_purpose_has_a_key_of_its_own_that_is_rotated(made: Graph) -> None:
    found = made.of_type("aws:kms/key:Key")
    assert sorted(node.name for node in found) == [f"keys-{purpose}" for purpose in PURPOSES]
    for node in found:
        assert node.inputs["enableKeyRotation"] is True
        assert node.inputs["customerMasterKeySpec"] == "SYMMETRIC_DEFAULT"
        assert node.inputs["deletionWindowInDays"] == 30


def test_each_key_is_found_by_its_alias(made: Graph) -> None:
    for purpose in PURPOSES:
        alias = made.one("aws:kms/alias:Alias", purpose)
        assert alias.inputs["name"] == f"alias/serveml-test-euw1-{purpose}"
        assert alias.inputs["targetKeyId"] == made.one("aws:kms/key:Key", purpose).outputs["keyId"]


def test_every_resource_is_in_the_region_and_every_key_carries_the_tags(made: Graph) -> None:
    assert {node.region for node in made.custom()} == {REGION}
    for node in made.of_type("aws:kms/key:Key"):
        assert TAGS.items() <= node.inputs["tags"].items()


@pytest.mark.parametrize(
    ("purpose", "policy"),
    [
        ("data", policies.data_key),
        ("cluster", policies.cluster_key),
        ("logs", policies.logs_key),
        ("images", policies.images_key),
    ],
)
def test_each_key_has_the_policy_of_its_purpose(
    made: Graph, purpose: str, policy: Callable[[policies.Scope], policies.Document]
) -> None:
    expected = policy(policies.Scope(account_id=ACCOUNT_ID, region=REGION))
    assert json.loads(made.one("aws:kms/key:Key", purpose).inputs["policy"]) == expected


def test_keys_are_protected_where_the_place_says_so(made: Graph) -> None:
    assert all(node.protect for node in graph_of(keys(protect=True)).of_type("aws:kms/key:Key"))
    assert not any(node.protect for node in made)


def test_the_outputs_are_the_arns_of_the_keys(made: Graph) -> None:
    outputs = made.one("serveml:keys:Keys").registered_outputs
    assert outputs == {
        f"{purpose}_key_arn": made.one("aws:kms/key:Key", purpose).outputs["arn"] for purpose in PURPOSES
    }


@pytest.mark.parametrize("days", [6, 31])
def test_a_deletion_window_that_kms_does_not_offer_is_refused(days: int) -> None:
    with pytest.raises(InvalidDeletionWindow, match=f"{days} days .* choose 7 to 30"):
        graph_of(keys(deletion_window_days=days))
