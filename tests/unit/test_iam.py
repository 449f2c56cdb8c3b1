"""The evaluator of policies that tests decide by: what IAM's user guide says of refusals, wildcards and conditions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.iam import Request, is_allowed

BUCKET = "arn:aws:s3:::b"


def statement(effect: str = "Allow", action: str = "s3:GetObject", resource: str = f"{BUCKET}/*", **more: Any) -> Any:
    return {"Statement": [{"Effect": effect, "Action": action, "Resource": resource, **more}]}


def request(**context: list[str]) -> Request:
    return Request(action="s3:GetObject", resource=f"{BUCKET}/models/a", context=context)


def test_silence_refuses_and_a_refusal_wins() -> None:
    assert not is_allowed([], request())
    assert is_allowed([statement()], request())
    assert not is_allowed([statement(), statement("Deny", resource=f"{BUCKET}/models/*")], request())
    assert is_allowed([statement(), statement("Deny", resource=f"{BUCKET}/features/*")], request())


@pytest.mark.parametrize(
    ("action", "resource", "fits"),
    [
        ("s3:getobject", f"{BUCKET}/*", True),
        ("s3:Get*", f"{BUCKET}/models/?", True),
        ("s3:GetObjectVersion", f"{BUCKET}/*", False),
        ("s3:GetObject", f"{BUCKET}/Models/*", False),
        ("s3:GetObject", BUCKET, False),
        ("s3:GetObject", f"{BUCKET}/models/[a-z]", False),
    ],
)
def test_actions_have_no_case_and_wildcards_are_a_star_and_a_question_mark(
    action: str, resource: str, fits: bool
) -> None:
    assert is_allowed([statement(action=action, resource=resource)], request()) is fits


@pytest.mark.parametrize(
    ("operator", "found", "holds"),
    [
        ("StringEquals", ["a*"], True),
        ("StringEquals", ["ab"], False),
        ("StringEquals", [], False),
        ("StringLike", ["ab"], True),
        ("StringLikeIfExists", [], True),
        ("StringLikeIfExists", ["b"], False),
        ("StringNotLike", ["ab"], False),
        ("StringNotLike", ["b"], True),
        ("StringNotLike", [], True),
        ("ForAllValues:StringLike", ["ab", "ac"], True),
        ("ForAllValues:StringLike", ["ab", "b"], False),
        ("ForAllValues:StringLike", [], True),
        ("ForAnyValue:StringLike", ["b", "ac"], True),
        ("ForAnyValue:StringLike", [], False),
    ],
)
def test_a_condition_compares_as_its_operator_says(operator: str, found: list[str], holds: bool) -> None:
    given = statement(Condition={operator: {"key": ["a*", "c"]}})
    assert is_allowed([given], request(key=found)) is holds


@pytest.mark.parametrize(
    ("wanted", "found", "holds"), [("true", [], True), ("false", [], False), ("false", ["x"], True)]
)
def test_null_asks_whether_there_is_a_value(wanted: str, found: list[str], holds: bool) -> None:
    assert is_allowed([statement(Condition={"Null": {"key": wanted}})], request(key=found)) is holds


def test_all_conditions_of_a_statement_must_hold() -> None:
    given = statement(Condition={"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}})
    assert is_allowed([given], request(a=["1"], b=["2"], c=["true"]))
    for missing in ("a", "b", "c"):
        context = {"a": ["1"], "b": ["2"], "c": ["true"], missing: ["no"]}
        assert not is_allowed([given], request(**context))


def test_what_is_not_understood_is_no_answer() -> None:
    with pytest.raises(KeyError):
        is_allowed([statement(Condition={"DateLessThan": {"key": "2026"}})], request(key=["2025"]))
    with pytest.raises(AssertionError):
        is_allowed([statement(NotResource=BUCKET)], request())
