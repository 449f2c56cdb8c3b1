"""`serveml model list, show, diff, pull`: what they print, and one clear line for whatever is in the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from contract.metadata import ModelMetadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version
from contract.versions import Kind
from tests.lifecycle.versions.world import AWAY, HOME, NAME, V1, V2, World, without_sample


def test_the_list_says_how_far_each_version_has_come_and_what_it_answers(world: World) -> None:
    world.promoted(V1)
    world.publish(V2)
    world.deploy(V1)
    newer, older = world.answer("list")["versions"]
    assert (newer["version"], newer["state"], newer["verified_regions"], newer["shares"]) == (
        "1.1.0",
        "published",
        [],
        [],
    )
    assert (older["version"], older["state"], older["verified_regions"]) == ("1.0.0", "promoted", [HOME, AWAY])
    assert older["shares"] == [{"deployment": "default/churn-eu", "percent": 100, "role": "stable"}]
    assert older["bytes"] == sum(map(len, world.files(Kind.PRODUCTION).values()))


def test_the_list_shows_what_lies_there_without_a_record_or_by_half(world: World) -> None:
    world.publish(V1, registered=False)
    world.publish(V2)
    world.remove(Kind.STAGING, CHECKSUMS_FILE, version=V2)
    states = {row["version"]: row["state"] for row in world.answer("list", NAME)["versions"]}
    assert states == {"1.0.0": "unregistered", "1.1.0": "partial"}


def test_an_empty_platform_lists_nothing_and_an_unknown_model_is_named(world: World) -> None:
    assert world.answer("list") == {"versions": []}
    result = world.command("list", "fraud")
    assert (result.exit_code, "there is no model 'fraud'" in result.stderr) == (1, True)


def test_people_get_tables(world: World) -> None:
    world.promoted(V1)
    world.publish(V2, seed=8)
    listed = world.command("list").stdout
    assert "2/2 regions" in listed
    shown = world.command("show", NAME, "1.1.0").stdout
    assert "nobody has approved it" in shown
    assert "model.onnx" in shown
    assert "largest difference" in world.command("diff", NAME, "1.0.0", "1.1.0").stdout
    assert "there is nothing to delete" in world.command("gc", NAME).stdout
    assert "verified" in world.command("verify", NAME, "1.0.0").stdout


def test_one_version_is_shown_with_its_files_in_every_region_and_what_it_lacks(world: World) -> None:
    world.approved()
    shown = world.answer("show", NAME, "1.0.0")
    assert shown["published_by"] == "ada"
    assert [(entry["by"], entry["note"]) for entry in shown["approvals"]] == [("grace", "looked at it")]
    assert shown["smoke"]["passed"]
    assert len(shown["lacking"]) == 1
    assert "were not verified in us-east-1, us-west-2" in shown["lacking"][0]
    world.command("promote", NAME, "1.0.0", "--copy", "--yes")
    shown = world.answer("show", NAME, "1.0.0")
    assert shown["lacking"] == []
    assert [(copy["kind"], copy["region"], copy["complete"]) for copy in shown["copies"]] == [
        ("staging", HOME, True),
        ("production", HOME, True),
        ("production", AWAY, True),
    ]
    assert set(shown["copies"][0]["files"]) == {MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE}


def changed(metadata: ModelMetadata) -> ModelMetadata:
    return replace(metadata, metrics={"accuracy": 0.95, "f1": 0.9}, git_sha="4567def")


def test_two_versions_are_compared_by_description_size_and_answers(world: World) -> None:
    world.publish(V1)
    world.publish(V2, seed=8, described=changed)
    found = world.answer("diff", NAME, "1.0.0", "1.1.0")
    assert [entry["what"] for entry in found["changes"] if entry["changed"]] == ["git sha"]
    metrics = {entry["name"]: entry for entry in found["metrics"]}
    assert metrics["accuracy"]["change"] == pytest.approx(0.05)
    assert (metrics["f1"]["before"], metrics["f1"]["change"]) == (None, None)
    (score,) = found["answers"]
    assert (score["output"], score["rows"], score["differing"]) == ("score", 3, 3)
    assert score["largest_difference"] > 0.1


def test_versions_that_answer_alike_differ_in_nothing(world: World) -> None:
    world.publish(V1)
    world.publish(V2)
    (score,) = world.answer("diff", NAME, "1.0.0", "1.1.0")["answers"]
    assert (score["differing"], score["largest_difference"]) == (0, 0.0)


def test_answers_are_compared_only_where_they_can_be_and_are_wanted(world: World) -> None:
    world.publish(V1)
    world.publish(V2, described=without_sample)
    found = world.answer("diff", NAME, "1.0.0", "1.1.0")
    assert (found["answers"], found["not_compared"]) == (None, "1.1.0 has no sample rows")
    found = world.answer("diff", NAME, "1.1.0", "1.0.0", "--no-answers")
    assert (found["answers"], found["not_compared"]) == (None, "answers were not asked for")


def test_a_version_is_pulled_whole_and_pulling_again_writes_nothing(world: World, tmp_path: Path) -> None:
    world.publish()
    answer = world.answer("pull", NAME, "1.0.0", str(tmp_path / "churn"))
    assert set(answer["written"]) == {MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE}
    assert {path.name: path.read_bytes() for path in (tmp_path / "churn").iterdir()} == world.files(Kind.STAGING)
    assert world.answer("pull", NAME, "1.0.0", str(tmp_path / "churn"))["written"] == []


@pytest.mark.parametrize("file", [MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE])
def test_other_bytes_in_the_directory_are_never_replaced(world: World, tmp_path: Path, file: str) -> None:
    world.publish()
    (tmp_path / file).write_bytes(b"mine")
    before = {path.name for path in tmp_path.iterdir()}
    result = world.command("pull", NAME, "1.0.0", str(tmp_path))
    assert (result.exit_code, "is there with other bytes, and is not replaced" in result.stderr) == (1, True)
    assert (tmp_path / file).read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_tampered_file_is_not_left_on_disk(world: World, tmp_path: Path) -> None:
    world.publish()
    world.spoil(Kind.STAGING)
    result = world.command("pull", NAME, "1.0.0", str(tmp_path / "churn"))
    assert (result.exit_code, "model.onnx has the SHA-256" in result.stderr) == (1, True)
    assert not (tmp_path / "churn" / MODEL_FILE).exists()


def test_a_directory_that_cannot_be_written_is_said(world: World, tmp_path: Path) -> None:
    world.publish()
    (tmp_path / "file").write_text("")
    result = world.command("pull", NAME, "1.0.0", str(tmp_path / "file"))
    assert (result.exit_code, "cannot be written" in result.stderr) == (1, True)


def test_a_version_is_pulled_from_another_region_while_the_first_is_away(world: World, tmp_path: Path) -> None:
    world.publish(kind=Kind.PRODUCTION)
    world.replicate()
    world.remove_bucket(Kind.PRODUCTION, HOME)
    answer = world.answer("pull", NAME, "1.0.0", str(tmp_path / "churn"))
    assert answer["source"].startswith("s3://models-production-us-west-2/")


COMMANDS = (
    ("show", NAME, "{version}"),
    ("verify", NAME, "{version}"),
    ("smoke", NAME, "{version}"),
    ("approve", NAME, "{version}", "--note", "x", "--yes"),
    ("promote", NAME, "{version}", "--yes"),
    ("withdraw", NAME, "{version}", "--reason", "x", "--yes"),
    ("pull", NAME, "{version}", "unused"),
    ("diff", NAME, "1.0.0", "{version}"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("version", "said"), [("9.0.0", "churn 9.0.0"), ("1", "'1' is not a semantic version: write MAJOR.MINOR.PATCH")]
)
def test_an_unknown_or_malformed_version_is_one_line(
    world: World, command: tuple[str, ...], version: str, said: str
) -> None:
    world.publish()
    before = world.table_items()
    result = world.command(*(part.format(version=version) for part in command))
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert said in result.stderr
    assert world.table_items() == before


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_malformed_name_is_one_line(world: World, command: tuple[str, ...]) -> None:
    result = world.command(command[0], "Churn_1", *(part.format(version="1.0.0") for part in command[2:]))
    assert (result.exit_code, "model name 'Churn_1' is not allowed" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command[0] not in ("diff", "pull")], ids=lambda command: command[0]
)
def test_a_table_that_is_away_is_one_line(world: World, command: tuple[str, ...]) -> None:
    world.publish()
    world.drop_table()
    result = world.command(*(part.format(version="1.0.0") for part in command))
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
    assert "ResourceNotFoundException" in result.stderr


@pytest.mark.parametrize("command", [("list",), ("show", NAME, "1.0.0"), ("gc", NAME)], ids=lambda command: command[0])
def test_a_bucket_that_is_away_is_one_line(world: World, command: tuple[str, ...]) -> None:
    world.publish()
    world.remove_bucket(Kind.STAGING, HOME)
    result = world.command(*command)
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
    assert "staging in us-east-1 cannot be read: listing s3://models-staging-us-east-1/" in result.stderr


def test_a_lost_right_is_one_line_and_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish()
    before = world.table_items()

    def denied(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not allowed"}}, "GetItem")

    monkeypatch.setattr("ops.models.registry.Versions.find", denied)
    result = world.command("verify", NAME, "1.0.0")
    assert (result.exit_code, result.stderr) == (3, "AWS refused GetItem: AccessDeniedException: not allowed\n")
    monkeypatch.undo()
    assert world.platform.dynamodb.scan(TableName="deployments")["Items"] == before


def test_an_environment_without_outputs_says_how_to_get_them(world: World) -> None:
    result = world.command("list", env="nowhere")
    assert (result.exit_code, "'nowhere' is none of local, dev, staging, prod" in result.stderr) == (1, True)


def test_versions_are_listed_the_highest_first(world: World) -> None:
    for text in ("1.10.0", "1.9.0", "1.10.0-rc.1"):
        world.publish(Version.parse(text))
    rows = world.answer("list", NAME)["versions"]
    assert [row["version"] for row in rows] == ["1.10.0", "1.10.0-rc.1", "1.9.0"]
