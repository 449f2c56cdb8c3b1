"""`serveml key`: what is printed where, what is refused with which code, and that nothing changes then."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest

from contract import access
from ops import reference
from ops.access.report import UserDataReport
from ops.commands import key as commands
from ops.commands.key_results import NOTICED_SECONDS
from ops.keys import ApiKeys
from ops.platform import Platform
from tests.lifecycle.access.stored import HOME, KEYS, OUTPUTS, Invoke

BAD, AWAY = 1, 3


def publish(platform: Platform, model: str) -> None:
    platform.s3().put_object(
        Bucket=OUTPUTS.models_buckets[HOME], Key=f"models/{model}/v1.0.0/checksums.json", Body=b"{}"
    )


def one_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def as_documented(command: str, output: str) -> Any:
    """The document a command printed, held against its schema."""
    document = json.loads(output)
    schemas = json.loads(reference.schemas(commands.app))
    schemas |= schemas["x-commands"][f"serveml {command}"]
    jsonschema.validate(document, schemas)
    return document


def test_the_standard_output_of_create_is_the_key_alone(platform: Platform, keys: ApiKeys, serveml: Invoke) -> None:
    publish(platform, "churn")
    done = serveml("key", "create", "ada", "--model", "churn", "--expires", "12h", "--requests-per-minute", "5")
    assert done.exit_code == 0
    key = one_line(done.stdout)
    (record,) = keys.of_user("ada").records
    assert access.digest_of(key) == record.digest
    assert (record.scopes, record.requests_per_minute) == (("churn",), 5)
    assert record.expires_at == pytest.approx(time.time() + 12 * 3600, abs=60)
    assert key not in done.stderr
    assert f"within {NOTICED_SECONDS} s" in done.stderr


def test_create_answers_in_json_as_the_schema_says(keys: ApiKeys, serveml: Invoke) -> None:
    done = serveml("key", "create", "ada", "--any-model", "--operator", "--expires", "never", "--json")
    document = as_documented("create", done.stdout)
    (record,) = keys.of_user("ada").records
    assert access.digest_of(document["key"]) == record.digest
    assert document["record"]["scopes"] == [access.ANY_MODEL, access.OPERATOR]
    assert document["record"]["expires_at"] is None
    assert record.digest not in done.output


def test_a_key_lives_for_ninety_days_unless_something_else_is_said(keys: ApiKeys, serveml: Invoke) -> None:
    serveml("key", "create", "ada", "--any-model")
    (record,) = keys.of_user("ada").records
    assert record.expires_at == record.created_at + 90 * 86_400


def test_a_model_without_a_version_in_the_bucket_is_warned_of_and_the_key_made(
    platform: Platform, keys: ApiKeys, serveml: Invoke
) -> None:
    publish(platform, "churn")
    done = serveml("key", "create", "ada", "--model", "churn", "--model", "chrun")
    assert done.exit_code == 0
    assert "warning: models-eu-west-1 holds no version of the model 'chrun'" in done.stderr
    assert "'churn'" not in done.stderr
    assert len(keys.of_user("ada").records) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ada"], "would open nothing"),
        (["ada", "--model", "Not A Model"], "model name 'Not A Model' is not allowed"),
        (["ada", "--model", "churn", "--model", "churn"], "each once"),
        (["two words", "--any-model"], "128 printable ASCII characters"),
        (["ada", "--any-model", "--expires", "2020-01-01"], "the expiry lies in the past"),
        (["ada", "--any-model", "--expires", "0d"], "the expiry lies in the past"),
        (["ada", "--any-model", "--expires", "soon"], "'soon' is no length of time"),
        (["ada", "--any-model", "--expires", "9999w"], "at most 3660d"),
    ],
)
def test_what_no_key_can_have_is_refused_in_a_line(
    keys: ApiKeys, serveml: Invoke, arguments: list[str], said: str
) -> None:
    done = serveml("key", "create", *arguments)
    assert done.exit_code == BAD
    assert said in one_line(done.stderr)
    assert done.stdout == ""
    assert keys.all().records == ()


def test_an_eleventh_key_is_refused(keys: ApiKeys, serveml: Invoke) -> None:
    for _ in range(access.MOST_KEYS_PER_USER):
        keys.issue(user_id="ada", scopes=["*"])
    done = serveml("key", "create", "ada", "--any-model")
    assert done.exit_code == BAD
    assert "ada has 10 good keys" in one_line(done.stderr)
    assert len(keys.all().records) == access.MOST_KEYS_PER_USER


def test_production_is_changed_only_with_a_confirmation(keys: ApiKeys, serveml: Invoke) -> None:
    refused = serveml("key", "create", "ada", "--any-model", environment="prod")
    assert refused.exit_code == BAD
    assert "say --yes" in one_line(refused.stderr)
    assert keys.all().records == ()
    assert serveml("key", "create", "ada", "--any-model", "--yes", environment="prod").exit_code == 0
    (record,) = keys.all().records
    refused = serveml("key", "revoke", record.key_id, environment="prod")
    assert refused.exit_code == BAD
    assert keys.all().records == (record,)


def test_the_list_shows_every_state_and_never_a_digest(platform: Platform, keys: ApiKeys, serveml: Invoke) -> None:
    now = time.time()
    issued = [keys.issue(user_id="ada", scopes=["churn"])[1], keys.issue(user_id="bob", scopes=["*"])[1]]
    past = ApiKeys(platform.dynamodb, KEYS, now=lambda: now - 7200)
    issued.append(past.issue(user_id="ada", scopes=["churn"], expires_at=int(now) - 3600)[1])
    keys.revoke(issued[1].key_id, "left the [team]")
    done = serveml("key", "list", "--json")
    document = as_documented("list", done.stdout)
    states = {shown["key_id"]: shown["state"] for shown in document["keys"]}
    assert states == dict(zip((record.key_id for record in issued), ("good", "revoked", "expired"), strict=True))
    assert document["keys"][-1]["age_seconds"] >= 7200
    table = serveml("key", "list").stdout
    for record in issued:
        assert record.key_id in table
        assert record.digest not in done.stdout + table
    assert "[team]" in table
    of_ada = as_documented("list", serveml("key", "list", "--user", "ada", "--json").stdout)
    assert {shown["user_id"] for shown in of_ada["keys"]} == {"ada"}


def test_revoking_says_when_pods_refuse_the_key_and_can_be_repeated(keys: ApiKeys, serveml: Invoke) -> None:
    key, record = keys.issue(user_id="ada", scopes=["churn"])
    done = serveml("key", "revoke", key, "--reason", "leaked", "--json")
    document = as_documented("revoke", done.stdout)
    assert (document["changed"], document["refused_within_seconds"]) == (True, NOTICED_SECONDS)
    assert key not in done.output
    again = serveml("key", "revoke", record.key_id)
    assert again.exit_code == 0
    assert "already" in again.stdout
    assert keys.get(record.key_id).revoked_reason == "leaked"


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_a_key_that_is_not_there_is_named_unless_it_may_be_a_secret(serveml: Invoke, command: str) -> None:
    unknown = serveml("key", command, "aaaaaaaaaaaa")
    assert unknown.exit_code == BAD
    assert "there is no key aaaaaaaaaaaa: `serveml key list`" in one_line(unknown.stderr)
    secret = serveml("key", command, "hunter2-hunter2")
    assert secret.exit_code == BAD
    assert "hunter2" not in secret.output


def test_rotating_prints_the_new_key_alone_and_says_until_when_the_old_one_is_good(
    keys: ApiKeys, serveml: Invoke
) -> None:
    _, old = keys.issue(user_id="ada", scopes=["churn"])
    done = serveml("key", "rotate", old.key_id, "--overlap", "2h")
    key = one_line(done.stdout)
    new = keys.get(access.key_id_of(key) or "")
    assert access.digest_of(key) == new.digest
    assert keys.get(old.key_id).expires_at == pytest.approx(time.time() + 7200, abs=60)
    assert f"{old.key_id} is good until" in done.stderr
    document = as_documented("rotate", serveml("key", "rotate", new.key_id, "--json").stdout)
    assert document["replaces"]["key_id"] == new.key_id


@pytest.mark.parametrize("overlap", ["0s", "31d", "long"])
def test_an_overlap_that_is_none_is_refused(keys: ApiKeys, serveml: Invoke, overlap: str) -> None:
    _, old = keys.issue(user_id="ada", scopes=["churn"])
    done = serveml("key", "rotate", old.key_id, "--overlap", overlap)
    assert done.exit_code == BAD
    one_line(done.stderr)
    assert keys.all().records == (old,)


@pytest.mark.parametrize(
    "arguments",
    [["create", "ada", "--any-model"], ["list"], ["list", "--user", "ada"], ["revoke", "aaaaaaaaaaaa"]],
)
def test_a_table_that_is_away_is_told_from_a_mistake(platform: Platform, serveml: Invoke, arguments: list[str]) -> None:
    platform.dynamodb.delete_table(TableName=KEYS)
    done = serveml("key", *arguments)
    assert done.exit_code == AWAY
    assert "ResourceNotFoundException" in one_line(done.stderr)


def test_reports_of_data_are_no_part_of_these_commands_schemas() -> None:
    assert UserDataReport.__name__ not in reference.schemas(commands.app)
