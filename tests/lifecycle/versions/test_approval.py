"""Approval: what it needs, and who may give it."""

from __future__ import annotations

from tests.lifecycle.versions.world import NAME, World


def test_in_production_somebody_else_than_the_publisher_approves(world: World) -> None:
    world.tested()
    before = world.table_items()
    for extra, said in (
        ((), "ada published churn 1.0.0: have somebody else approve it"),
        (
            ("--allow-self",),
            "in prod nobody approves what they published",
        ),
    ):
        result = world.command("approve", NAME, "1.0.0", "--note", "mine", "--yes", *extra, by="ada")
        assert (result.exit_code, said in result.stderr) == (1, True)
    assert world.table_items() == before
    answer = world.answer("approve", NAME, "1.0.0", "--note", "looked at it", "--yes")
    assert [(entry["by"], entry["note"]) for entry in answer["approvals"]] == [("grace", "looked at it")]


def test_elsewhere_the_publisher_may_when_they_say_so(world: World) -> None:
    world.tested()
    refused = world.command("approve", NAME, "1.0.0", "--note", "mine", by="ada", env="staging")
    assert (refused.exit_code, "or say --allow-self" in refused.stderr) == (1, True)
    allowed = world.command("approve", NAME, "1.0.0", "--note", "mine", "--allow-self", by="ada", env="staging")
    assert allowed.exit_code == 0
    # An approval by the publisher, however it came about, is none in production.
    result = world.command("promote", NAME, "1.0.0", "--yes")
    assert (result.exit_code, "nobody but ada, who published it, has approved it" in result.stderr) == (1, True)


def test_an_approval_needs_evidence_and_a_name(world: World) -> None:
    world.publish()
    result = world.command("approve", NAME, "1.0.0", "--note", "blind", "--yes")
    assert (result.exit_code, "cannot be approved yet: its bytes in us-east-1 were not verified" in result.stderr) == (
        1,
        True,
    )
    world.tested()
    result = world.command("approve", NAME, "1.0.0", "--note", "who", "--yes", by="unknown")
    assert (result.exit_code, "set SERVEML_OPERATOR" in result.stderr) == (1, True)
    assert world.record().approvals == ()


def test_the_same_approval_again_is_written_once(world: World) -> None:
    world.approved()
    before = world.table_items()
    assert world.command("approve", NAME, "1.0.0", "--note", "again", "--yes").exit_code == 0
    assert world.table_items() == before


def test_production_is_not_changed_without_a_word(world: World) -> None:
    world.tested()
    before = world.table_items()
    for arguments in (("approve", NAME, "1.0.0", "--note", "x"), ("promote", NAME, "1.0.0")):
        result = world.command(*arguments)
        assert (result.exit_code, "was not confirmed: say --yes" in result.stderr) == (1, True)
    assert world.table_items() == before
