"""How much of the program moto takes: the list of what it does not is held here."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pytest
from rich.console import Console

import components
from localcloud.account.registry import CREATORS
from localcloud.account.synthesised import REASONS
from localcloud.coverage import coverage_of
from localcloud.recorder import record
from localcloud.synthetic import Synthetic

SYNTHESISED = [
    "aws:cloudfront/cachePolicy:CachePolicy",
    "aws:cloudfront/originRequestPolicy:OriginRequestPolicy",
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",
    "aws:eks/accessEntry:AccessEntry",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    "aws:eks/addon:Addon",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:s3/bucketIntelligentTieringConfiguration:BucketIntelligentTieringConfiguration",
    "aws:s3/bucketLogging:BucketLogging",
]


def mixed() -> None:
    aws.sns.Topic("topic", name="topic", region="eu-west-1")
    aws.sns.Topic("other", name="other", region="eu-west-1")
    aws.eks.Addon("addon", cluster_name="cluster", addon_name="metrics-server", region="eu-west-1")


def test_the_list_of_synthesised_types_grows_by_decision_only() -> None:
    assert sorted(REASONS) == SYNTHESISED


def test_no_type_is_both_created_and_made_up() -> None:
    assert not set(CREATORS) & set(REASONS)


@pytest.mark.parametrize("token", sorted({*CREATORS, *REASONS}))
def test_every_token_is_a_type_of_the_provider(token: str) -> None:
    _, path, name = token.split(":")
    module = importlib.import_module(f"pulumi_aws.{path.split('/')[0].replace('lambda', 'lambda_')}")
    assert getattr(module, name).pulumi_type == token


def types_made_in(folder: Path) -> set[str]:
    """Tokens of the AWS resources whose constructors are called in the Python files of a folder."""
    calls = {
        call for file in folder.rglob("*.py") for call in re.findall(r"\baws\.(\w+)\.([A-Z]\w*)\(", file.read_text())
    }
    classes = [getattr(importlib.import_module(f"pulumi_aws.{module}"), name) for module, name in calls]
    return {cls.pulumi_type for cls in classes if issubclass(cls, pulumi.Resource)}


def test_every_type_of_the_components_is_created_or_excused_and_most_are_created() -> None:
    used = types_made_in(Path(components.__file__).parent)
    assert used - CREATORS.keys() - REASONS.keys() == set()
    assert len(used & CREATORS.keys()) / len(used) >= 0.85


def test_coverage_counts_types_and_resources() -> None:
    coverage = coverage_of(record(mixed, Synthetic()))
    assert coverage.ratio == pytest.approx(1 / 2)
    assert coverage.resource_ratio == pytest.approx(2 / 3)
    document = json.loads(coverage.as_json())
    assert document["types"][1] == {"type": "aws:sns/topic:Topic", "count": 2, "how": "moto"}


def test_table_says_why_a_type_is_made_up() -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(coverage_of(record(mixed, Synthetic())).as_table())
    assert "synthesised: moto's EKS has clusters and node groups only" in captured.get()


def test_type_without_creator_or_reason_is_an_error() -> None:
    def program() -> None:
        aws.qldb.Ledger("ledger", name="ledger", permissions_mode="STANDARD", region="eu-west-1")

    with pytest.raises(LookupError, match="aws:qldb/ledger:Ledger has no creator and no reason"):
        coverage_of(record(program, Synthetic()))
