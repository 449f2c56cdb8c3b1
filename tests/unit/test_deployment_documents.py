"""Deployment records as documents: read as they were written, and refused in one line where they cannot be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import deployment as documents
from contract.deployment import (
    Canary,
    Change,
    Deployment,
    Gates,
    InvalidDeployment,
    Report,
    Shadow,
    Stage,
    Weight,
    decode,
    encode,
)
from contract.objects import Version
from tests.unit.deployments import V3, canary, record, weights

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
