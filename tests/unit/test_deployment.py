"""Deployment records: what they refuse, and what they say to who follows them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import deployment as documents
from contract.deployment import Gates, InvalidDeployment, Shadow, Stage, Status, check_weights
from contract.objects import Version
from tests.unit.deployments import STAGES, V1, V2, V3, canary, record, weights


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
