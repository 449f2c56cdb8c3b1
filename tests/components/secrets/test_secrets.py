"""The secrets of a region: names, keys, what stands in them first, and that no update touches what operators put in."""

from __future__ import annotations

import json

import pulumi
import pytest

from components.secrets.secrets import InvalidRecoveryWindow, Secrets, SecretsArgs
from localcloud.account.backend import MotoAccount
from localcloud.graph import Graph, Node
from localcloud.moto_server import MotoServer
from localcloud.recorder import record
from tests.support.components import graph_of, place

KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/data"


def program(recovery_window_days: int = 30) -> None:
    args = SecretsArgs(place=place(protect=True), key_arn=KEY_ARN, recovery_window_days=recovery_window_days)
    Secrets("secrets", args)


def graph(*, preview: bool = False) -> Graph:
    return graph_of(program, preview=preview)


def version(of: str) -> Node:
    [found] = [node for node in graph().of_type("SecretVersion") if node.name == f"secrets-{of}-initial"]
    return found


def test_both_secrets_are_named_after_the_place_and_encrypted_with_its_key() -> None:
    secrets = graph().of_type("aws:secretsmanager/secret:Secret")
    assert {node.inputs["name"] for node in secrets} == {
        "serveml-test-euw1/ml-credentials",
        "serveml-test-euw1/grafana-admin",
    }
    for node in secrets:
        assert node.inputs["kmsKeyId"] == KEY_ARN
        assert node.inputs["recoveryWindowInDays"] == 30
        assert node.inputs["tags"]["Environment"] == "test"
        assert node.region == "eu-west-1"


def test_a_secret_is_guarded_where_the_place_protects() -> None:
    assert [node.protect for node in graph().of_type("aws:secretsmanager/secret:Secret")] == [True, True]


def test_what_operators_put_in_is_never_set_back() -> None:
    assert set(version("ml-credentials").ignore_changes) == {"secretString", "versionStages"}


def test_a_new_password_is_put_in_by_an_update() -> None:
    assert list(version("grafana-admin").ignore_changes) == ["versionStages"]


def test_no_value_is_in_the_graph_in_plain_text() -> None:
    made = graph()
    [password] = made.of_type("RandomPassword")
    text = json.dumps([dict(node.inputs) for node in made])
    assert str(password.outputs["result"]) not in text
    for node in made.of_type("SecretVersion"):
        assert node.inputs["secretString"] == "[secret]"


def test_a_preview_registers_the_same() -> None:
    assert sorted(node.urn for node in graph()) == sorted(node.urn for node in graph(preview=True))


def test_the_component_says_where_its_secrets_are() -> None:
    [component] = [node for node in graph() if node.type == "serveml:secrets:Secrets"]
    assert component.registered_outputs is not None
    assert component.registered_outputs["ml_credentials_name"] == "serveml-test-euw1/ml-credentials"
    assert component.registered_outputs["grafana_admin_name"] == "serveml-test-euw1/grafana-admin"


@pytest.mark.parametrize("days", [-1, 1, 6, 31])
def test_a_recovery_window_that_aws_does_not_offer_is_refused(days: int) -> None:
    with pytest.raises((InvalidRecoveryWindow, pulumi.RunError), match="choose 7 to 30, or 0"):
        graph_of(lambda: program(days))


@pytest.mark.parametrize("days", [0, 7, 30])
def test_a_recovery_window_that_aws_offers_is_taken(days: int) -> None:
    assert graph_of(lambda: program(days)).of_type("aws:secretsmanager/secret:Secret")


def test_an_account_holds_first_values_under_a_label_of_their_own() -> None:
    with MotoServer() as server:
        account = MotoAccount(server.endpoint)
        record(program, account)
        client = account.clients.at("secretsmanager", "eu-west-1")
        credentials = client.get_secret_value(SecretId="serveml-test-euw1/ml-credentials")
        assert json.loads(credentials["SecretString"]) == {}
        grafana = client.get_secret_value(SecretId="serveml-test-euw1/grafana-admin")
        password = json.loads(grafana["SecretString"])["password"]
        assert len(password) == 32
        assert password.isalnum()
        # But for a label of its own it would be free to be deleted, once two others have followed, and be made again.
        described = client.describe_secret(SecretId="serveml-test-euw1/ml-credentials")
        assert sorted(described["VersionIdsToStages"][credentials["VersionId"]]) == ["AWSCURRENT", "initial"]
