"""Deployment records: what they refuse, how they are written and read, and how users are told apart."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import deployment as documents
from contract.deployment import (
    BUCKETS,
    Canary,
    Change,
    Deployment,
    Gates,
    InvalidDeployment,
    Report,
    Shadow,
    Stage,
    Status,
    Weight,
    bucket,
    check_weights,
    decode,
    encode,
)
from contract.objects import Version

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
V1, V2, V3 = Version(1, 0, 0), Version(2, 0, 0), Version(2, 1, 0, "rc.1")
STAGES = (Stage(percent=0, shadow_percent=20), Stage(percent=10), Stage(percent=100))


def canary(**changed: Any) -> Canary:
    fields: dict[str, Any] = {
        "id": "c1",
        "version": V2,
        "stages": STAGES,
        "gates": Gates(),
        "stage": 0,
        "stage_began_at": None,
        "started_at": NOW,
        "started_by": "ada",
    }
    return Canary(**(fields | changed))


def record(**changed: Any) -> Deployment:
    fields: dict[str, Any] = {
        "tenant": "default",
        "deployment_id": "churn",
        "model": "churn",
        "created_at": NOW,
        "revision": 1,
        "changed_at": NOW,
        "changed_by": "ada",
        "stable": V1,
        "weights": (Weight(version=V1, percent=100),),
    }
    return Deployment(**(fields | changed))


def weights(*shares: tuple[Version, int]) -> tuple[Weight, ...]:
    return tuple(Weight(version=version, percent=percent) for version, percent in shares)


class TestRules:
    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"tenant": "Ada#1"}, "'Ada#1' is not allowed"),
            ({"deployment_id": "a/b"}, "'a/b' is not allowed"),
            ({"model": ""}, "'' is not allowed"),
            ({"revision": 0}, "revision 0: they count from 1"),
            ({"weights": ()}, "the weights none: name 1 to 8 versions"),
            ({"weights": weights((V1, 50), (V1, 50))}, "1.0.0=50, 1.0.0=50: name 1 to 8 versions, each once"),
            ({"weights": weights(*((Version(1, n, 0), 10) for n in range(10)))}, "name 1 to 8 versions"),
            ({"weights": weights((V1, 100), (V2, 0))}, "2.0.0=0: each is a whole number of percent from 1 to 100"),
            ({"weights": weights((V1, 120), (V2, -20))}, "from 1 to 100"),
            ({"weights": weights((V1, 60), (V2, 30))}, "1.0.0=60, 2.0.0=30, which make 90: let them make 100"),
            ({"weights": weights((V2, 100))}, "gives its stable version 1.0.0 no share"),
            ({"shadow": Shadow(version=V2, percent=0)}, "copies 0 percent of its requests: 1 to 100 are allowed"),
            ({"shadow": Shadow(version=V2, percent=101)}, "copies 101 percent"),
            ({"canary": canary(version=V1)}, "tries 1.0.0 beside itself: name another version"),
            ({"canary": canary(stages=())}, "the steps none: let them rise, and end with 100"),
            ({"canary": canary(stages=STAGES[:2])}, "the steps 0, 10: let them rise"),
            ({"canary": canary(stages=(STAGES[1], STAGES[1], STAGES[2]))}, "the steps 10, 10, 100: let them rise"),
            ({"canary": canary(stages=(Stage(percent=-1), STAGES[2]))}, "a step of -1 percent"),
            ({"canary": canary(stages=(Stage(percent=5, shadow_percent=101), STAGES[2]))}, "101 copied"),
            ({"canary": canary(stages=(Stage(percent=5, seconds=0), STAGES[2]))}, "for 0 s: shares are 0 to 100"),
            ({"canary": canary(stages=(Stage(percent=0), STAGES[2]))}, "neither answers nor is copied anything"),
            ({"canary": canary(stage=3)}, "is at step 3 of 3"),
            ({"canary": canary(stage=-1)}, "is at step -1 of 3"),
            ({"canary": canary(evidence={"p": math.nan})}, "the evidence 'p' that is no finite number"),
            ({"canary": canary(evidence={"p": math.inf})}, "the evidence 'p' that is no finite number"),
            ({"canary": canary(gates=Gates(max_p95_ms=math.inf))}, "the gate 'max_p95_ms' that is no finite number"),
        ],
    )
    def test_what_no_pod_could_follow_is_refused_with_what_is_allowed(self, changed: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidDeployment) as refused:
            record(**changed)
        assert said in str(refused.value)
        assert str(refused.value).startswith("deployment ")

    def test_a_changed_record_is_checked_too(self) -> None:
        with pytest.raises(InvalidDeployment, match="let them make 100"):
            documents.replace(record(), weights=weights((V1, 99)))

    def test_on_trial_the_stable_version_may_have_no_share(self) -> None:
        tried = record(canary=canary(stage=2), weights=weights((V2, 100)))
        assert tried.percent_of(V1) == 0
        assert tried.percent_of(V2) == 100

    @given(st.lists(st.integers(-5, 105), max_size=10))
    def test_weights_are_taken_just_when_they_are_a_few_shares_of_the_whole(self, percents: list[int]) -> None:
        shares = weights(*((Version(1, number, 0), percent) for number, percent in enumerate(percents)))
        whole = 1 <= len(percents) <= 8 and all(percent >= 1 for percent in percents) and sum(percents) == 100
        if whole:
            check_weights(shares, "here")
        else:
            with pytest.raises(InvalidDeployment, match=r"^here has the weights"):
                check_weights(shares, "here")


class TestWhatItSays:
    def test_a_pod_holds_each_version_once_and_the_most_needed_first(self) -> None:
        held = record(
            weights=weights((V2, 10), (V1, 90)),
            canary=canary(stage=1),
            shadow=Shadow(version=V2, percent=20),
            previous=V3,
        )
        assert held.versions == (V2, V1, V3)
        assert record().versions == (V1,)

    def test_status_tells_whether_a_controller_acts(self) -> None:
        assert record().status is Status.SERVING
        assert record(canary=canary()).status is Status.CANARY

    def test_each_trial_takes_users_of_its_own(self) -> None:
        assert record().salt == "churn"
        assert record(canary=canary(id="c7")).salt == "c7"

    def test_a_canary_knows_its_stage(self) -> None:
        assert canary(stage=1).now.percent == 10
        assert not canary(stage=1).is_last
        assert canary(stage=2).is_last


names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
versions = st.builds(
    Version, *(st.integers(0, 99) for _ in range(3)), st.sampled_from(["", "rc.1", "alpha-2", "0.x.7"])
)
times = st.datetimes(
    datetime(2000, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))]),
)
figures = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=30)
stages = st.lists(st.integers(1, 99), unique=True, max_size=5).flatmap(
    lambda percents: st.tuples(
        *(
            st.builds(
                Stage, percent=st.just(percent), shadow_percent=st.integers(0, 100), seconds=st.integers(1, 10**6)
            )
            for percent in (*sorted(percents), 100)
        )
    )
)


@st.composite
def shared_weights(draw: st.DrawFn, first: Version) -> tuple[Weight, ...]:
    others = draw(st.lists(versions.filter(lambda version: version != first), unique=True, max_size=7))
    cuts = sorted(draw(st.sets(st.integers(1, 99), min_size=len(others), max_size=len(others))))
    percents = [after - before for before, after in zip([0, *cuts], [*cuts, 100], strict=True)]
    return weights(*zip([first, *others], percents, strict=True))


@st.composite
def deployments(draw: st.DrawFn) -> Deployment:
    stable = draw(versions)
    trial: Canary | None = None
    if draw(st.booleans()):
        steps = draw(stages)
        trial = canary(
            id=draw(texts),
            version=draw(versions.filter(lambda version: version != stable)),
            stages=steps,
            gates=Gates(max_error_percent=draw(figures), min_requests=draw(st.integers(0, 10**9))),
            stage=draw(st.integers(0, len(steps) - 1)),
            stage_began_at=draw(st.none() | times),
            started_at=draw(times),
            evidence=draw(st.dictionaries(texts, figures, max_size=3)),
        )
    return record(
        tenant=draw(names),
        deployment_id=draw(names),
        model=draw(names),
        created_at=draw(times),
        changed_at=draw(times),
        changed_by=draw(texts),
        revision=draw(st.integers(1, 2**53)),
        stable=stable,
        weights=draw(shared_weights(stable)),
        previous=draw(st.none() | versions),
        shadow=draw(st.none() | st.builds(Shadow, version=versions, percent=st.integers(1, 100))),
        canary=trial,
    )


class TestDocuments:
    @given(deployments())
    def test_a_deployment_is_read_as_it_was_written(self, written: Deployment) -> None:
        assert decode(encode(written), Deployment) == written
        assert decode(encode(written).decode(), Deployment) == written

    @given(versions.flatmap(lambda version: st.tuples(st.just(version), shared_weights(version))), times, texts)
    def test_a_change_is_read_as_it_was_written(
        self, served: tuple[Version, tuple[Weight, ...]], at: datetime, said: str
    ) -> None:
        stable, shares = served
        written = Change(revision=3, at=at, by=said, action=said, reason=said, stable=stable, weights=shares)
        assert decode(encode(written), Change) == written

    @given(st.lists(versions, max_size=4), st.dictionaries(versions.map(str), texts, max_size=3), times)
    def test_a_report_is_read_as_it_was_written(
        self, held: list[Version], refused: dict[str, str], at: datetime
    ) -> None:
        written = Report(region="us-east-1", pod="p", worker=0, revision=0, loaded=tuple(held), at=at, refused=refused)
        assert decode(encode(written), Report) == written

    @given(deployments(), st.dictionaries(names.map(lambda name: f"new_{name}"), st.integers() | texts, max_size=3))
    def test_fields_that_a_reader_does_not_know_are_passed_over(
        self, written: Deployment, unknown: dict[str, Any]
    ) -> None:
        document = json.loads(encode(written)) | unknown
        if document["canary"] is not None:
            document["canary"] |= unknown
        document["weights"][0] |= unknown
        assert decode(json.dumps(document), Deployment) == written

    def test_versions_are_written_as_people_write_them(self) -> None:
        document = json.loads(encode(record(stable=V3, weights=weights((V3, 100)))))
        assert document["stable"] == "2.1.0-rc.1"
        assert document["weights"] == [{"version": "2.1.0-rc.1", "percent": 100}]


class TestUnreadable:
    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"stable": 5}, "Expected a version such as 1.4.0 - at $.stable"),
            ({"stable": None}, "Expected a version such as 1.4.0 - at $.stable"),
            ({"stable": ["1.0.0"]}, "Expected a version such as 1.4.0 - at $.stable"),
            ({"stable": "one"}, "'one' is not a semantic version"),
            ({"revision": "1"}, "Expected int, got str - at $.revision"),
            ({"revision": None}, "$.revision"),
            ({"weights": [{"version": "1.0.0"}]}, "missing required field percent - at $.weights[0]"),
            ({"weights": [{"version": "1.0.0", "percent": 99.5}]}, "$.weights[0].percent"),
            ({"weights": [{"version": "1.0.0", "percent": 90}]}, "which make 90"),
            ({"created_at": "yesterday"}, "Invalid RFC3339 encoded datetime - at $.created_at"),
            ({"created_at": "2026-03-01T12:00:00"}, "$.created_at"),
            ({"canary": {}}, "$.canary"),
        ],
    )
    def test_a_faulty_field_is_named_in_one_line(self, changed: dict[str, Any], said: str) -> None:
        document = json.loads(encode(record())) | changed
        with pytest.raises(InvalidDeployment) as refused:
            decode(json.dumps(document), Deployment)
        message = str(refused.value)
        assert said in message
        assert "\n" not in message

    @pytest.mark.parametrize("field", ["tenant", "stable", "weights", "revision", "changed_at"])
    def test_a_missing_field_is_named(self, field: str) -> None:
        document = json.loads(encode(record()))
        del document[field]
        with pytest.raises(InvalidDeployment, match=f"missing required field {field}"):
            decode(json.dumps(document), Deployment)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{",
            b"null",
            b"[]",
            b'"1.0.0"',
            b"\xff\xfe",
            b'{"tenant": "\xff"}',
            b"[" * 100_000,
            b'{"x": ' * 100_000,
        ],
        ids=["nothing", "half", "null", "list", "text", "no UTF-8", "a text that is none", "deep list", "deep object"],
    )
    @pytest.mark.parametrize("kind", [Deployment, Change, Report])
    def test_what_is_no_document_is_refused(self, data: bytes, kind: type[Any]) -> None:
        with pytest.raises(InvalidDeployment, match=f"^a {kind.__name__.lower()} of the deployments table cannot be"):
            decode(data, kind)

    @given(deployments(), st.data())
    def test_any_cut_or_spoilt_document_gives_one_kind_of_error(self, written: Deployment, data: st.DataObject) -> None:
        spoilt = bytearray(encode(written))
        for _ in range(data.draw(st.integers(1, 4))):
            spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
        cut = bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))])
        try:
            read = decode(cut, Deployment)
        except InvalidDeployment:
            return
        documents.check(read)


GOLDEN_BUCKETS = {
    ("churn", b"user-1"): 9019,
    ("churn", b"user-2"): 7748,
    ("c-0001", b"user-1"): 6000,
    ("c-0001", b""): 1303,
    ("", b"user-1"): 6041,
    ("né", "ünï".encode()): 4941,
}


class TestBuckets:
    def test_a_user_stays_where_he_is_from_release_to_release(self) -> None:
        assert {asked: bucket(*asked) for asked in GOLDEN_BUCKETS} == GOLDEN_BUCKETS

    @given(texts, st.binary(max_size=200))
    def test_every_key_has_one_of_the_buckets(self, salt: str, key: bytes) -> None:
        assert 0 <= bucket(salt, key) < BUCKETS
        assert bucket(salt, key) == bucket(salt, key)

    @pytest.mark.parametrize("salt", ["churn", "fraud", "canary-8f3a"])
    def test_users_are_spread_evenly(self, salt: str) -> None:
        users, cells = 200_000, 100
        found = Counter(bucket(salt, b"user-%d" % number) * cells // BUCKETS for number in range(users))
        assert chi_square([found[cell] for cell in range(cells)]) < CHI_SQUARE_99_9[cells - 1]

    def test_users_of_a_single_percent_are_spread_evenly_too(self) -> None:
        found = Counter(place for number in range(400_000) if (place := bucket("churn", b"%d" % number)) < 100)
        assert chi_square([found[place] for place in range(100)]) < CHI_SQUARE_99_9[99]

    def test_two_trials_take_users_independently(self) -> None:
        """What share of the first trial's tenth is in the second's tenth says nothing of the first."""
        users = [b"user-%d" % number for number in range(100_000)]
        both = Counter(
            (bucket("trial-1", user) * 10 // BUCKETS, bucket("trial-2", user) * 10 // BUCKETS) for user in users
        )
        assert chi_square([both[one, other] for one in range(10) for other in range(10)]) < CHI_SQUARE_99_9[99]


CHI_SQUARE_99_9 = {99: 148.23}
"""By degrees of freedom: what evenly spread counts exceed once in a thousand times."""


def chi_square(counts: list[int]) -> float:
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 for count in counts) / expected
