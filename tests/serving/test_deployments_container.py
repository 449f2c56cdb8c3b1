"""A container that follows deployment records: whom it answers with what, how soon it changes, and what it reports."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime

import pytest

from contract import deployment as documents
from contract import registry, service
from contract.deployment import Gates, Stage
from ops.demo_model import INPUT, NAME, DemoModel
from ops.rollout import transitions
from tests.serving.conftest import Publish, StartContainer
from tests.serving.deployments import V1, V2, V3, World, holds, shared_equally, version_for, wait_until


def test_a_record_is_served_in_place_of_the_highest_release(start_serving: StartContainer, first: DemoModel) -> None:
    container = start_serving()
    assert version_for(container, first) == "1.0.0"
    assert not holds(container, V2)


@pytest.mark.usefixtures("both_versions")
def test_without_a_record_the_highest_release_is_served_until_there_is_one(
    start: StartContainer, first: DemoModel, world: World
) -> None:
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.1.0")
    assert version_for(container, first) == "1.1.0"
    world.create(V1)
    wait_until(lambda: version_for(container, first) == "1.0.0")


def test_users_are_split_by_the_weights_and_stay_where_they_are_as_the_share_grows(
    start_serving: StartContainer, first: DemoModel, world: World
) -> None:
    container = start_serving()
    world.try_version(V2, 0)
    wait_until(lambda: holds(container, V1, V2))
    users = [f"user-{number}" for number in range(1000)]
    before = {user: version_for(container, first, user) for user in users}
    assert before == {user: version_for(container, first, user) for user in users}
    assert _within(Counter(before.values())["1.1.0"], len(users), 0.1)
    world.change(lambda record: transitions.enter_stage(record, 1, datetime.now(UTC)))
    moved = next(user for user in users if documents.bucket("trial", user.encode()) in range(1000, 5000))
    wait_until(lambda: version_for(container, first, moved) == "1.1.0")
    after = {user: version_for(container, first, user) for user in users}
    assert _within(Counter(after.values())["1.1.0"], len(users), 0.5)
    assert all(after[user] == "1.1.0" for user in users if before[user] == "1.1.0")
    nameless = Counter(version_for(container, first) for _ in range(600))
    assert _within(nameless["1.1.0"], 600, 0.5)


def test_every_protocol_chooses_alike_and_a_version_that_is_named_answers_whatever_its_share(
    start_serving: StartContainer, first: DemoModel, world: World
) -> None:
    container = start_serving()
    world.try_version(V2, 1)
    wait_until(lambda: holds(container, V1, V2))
    row = first.holdout_rows[0]
    tensor = {"name": INPUT, "datatype": "FP32", "shape": [1, len(row)], "data": row}
    wait_until(lambda: len({version_for(container, first, f"user-{number}") for number in range(20)}) == 2)

    def inferred(path: str, user: str) -> str:
        answer = container.call(
            "POST", path, f'{{"inputs": [{_json(tensor)}]}}', {"Content-Type": "application/json", "X-User-ID": user}
        )
        assert answer.status == 200, answer
        return str(answer.json["model_version"])

    for number in range(20):
        user = f"user-{number}"
        assert inferred(f"/v2/models/{NAME}/infer", user) == version_for(container, first, user)
        assert inferred(f"/v2/models/{NAME}/versions/1.1.0/infer", user) == "1.1.0"


def test_a_rollback_takes_effect_within_seconds_on_every_worker(
    start_serving: StartContainer, first: DemoModel, world: World
) -> None:
    container = start_serving(SERVEML_WORKERS="2")
    for _ in range(3):
        world.try_version(V2, 2)
        wait_until(lambda: all(version_for(container, first) == "1.1.0" for _ in range(20)))
        world.change(transitions.roll_back)
        # Each call is a new connection, which either worker may take.
        wait_until(lambda: all(version_for(container, first) == "1.0.0" for _ in range(20)))


def test_workers_report_what_they_hold_until_they_stop(start_serving: StartContainer, world: World) -> None:
    container = start_serving(SERVEML_WORKERS="2")
    record = world.try_version(V2, 0)

    def told() -> bool:
        reports = world.records.reports(NAME)
        return {report.worker for report in reports} == {0, 1} and all(
            (report.revision, set(report.loaded)) == (record.revision, {V1, V2}) for report in reports
        )

    wait_until(told)
    assert {(report.region, report.pod) for report in world.records.reports(NAME)} == {("us-east-1", "pod-1")}
    container.signal(15)
    assert container.wait() == 0
    assert world.records.reports(NAME) == []


def test_what_the_bucket_lacks_is_answered_for_by_the_stable_version_and_said_why(
    start: StartContainer, upload: Publish, first: DemoModel, world: World
) -> None:
    upload(first)
    world.create(V1)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.0.0")
    world.try_version(V3, 1)
    wait_until(lambda: any("1.2.0" in report.refused for report in world.records.reports(NAME)))
    (report,) = world.records.reports(NAME)
    assert report.refused == {"1.2.0": "breast-cancer 1.2.0 is not in the bucket: publish it"}
    assert {version_for(container, first, f"user-{number}") for number in range(20)} == {"1.0.0"}
    page = container.call("GET", "/metrics", probes=True).body.decode()
    fallbacks = next(line for line in page.splitlines() if line.startswith("model_fallbacks_total{"))
    assert fallbacks.startswith('model_fallbacks_total{model="breast-cancer",model_version="1.2.0"}')
    assert float(fallbacks.rpartition(" ")[2]) > 0


def test_a_record_that_cannot_be_read_leaves_the_last_one_in_force(
    start_serving: StartContainer, first: DemoModel, world: World
) -> None:
    container = start_serving()
    key = registry.deployment(documents.DEFAULT_TENANT, NAME)
    world.dynamodb.put_item(
        TableName=world.table, Item={**key.item, registry.DOCUMENT_ATTRIBUTE: {"S": '{"weights": []}'}}
    )
    container.wait_for_line("is refused, what was read last stays")
    assert version_for(container, first) == "1.0.0"


def test_a_restart_goes_on_with_the_record_that_was_read_last_while_the_table_is_away(
    start: StartContainer, start_serving: StartContainer, first: DemoModel, world: World
) -> None:
    container = start_serving()
    assert version_for(container, first) == "1.0.0"
    container.signal(15)
    assert container.wait() == 0
    # Nothing listens there.
    container = start(**world.variables, AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9")
    container.wait_for_line("serving breast-cancer 1.0.0")
    assert version_for(container, first) == "1.0.0"
    page = container.call("GET", "/metrics", probes=True).body.decode()
    assert float(next(line for line in page.splitlines() if line.startswith("deployments_away_total ")).split()[1]) > 0


def test_a_container_is_ready_once_it_holds_every_version_that_is_to_answer(start_deployed: StartContainer) -> None:
    container = start_deployed(shared_equally)
    wait_until(lambda: container.call("GET", service.READY_PATH, probes=True).status == 200)
    assert holds(container, V1, V2)


def test_copies_of_requests_go_to_the_version_on_trial_and_are_compared(
    start_serving: StartContainer, first: DemoModel, world: World
) -> None:
    container = start_serving()
    now = datetime.now(UTC)
    stages = (Stage(percent=0, shadow_percent=100), Stage(percent=100))
    world.change(
        lambda record: transitions.enter_stage(
            transitions.start_canary(record, V2, canary_id="c", stages=stages, gates=Gates(), by="ada", now=now), 0, now
        )
    )

    def compared() -> float:
        assert version_for(container, first) == "1.0.0"
        page = container.call("GET", "/metrics", probes=True).body.decode()
        counted = [line for line in page.splitlines() if line.startswith("model_shadow_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in counted if 'model_version="1.1.0"' in line)

    wait_until(lambda: compared() > 5)


def _within(count: int, trials: int, share: float) -> bool:
    """Inside the binomial 99.9% interval, by its normal approximation."""
    return abs(count - trials * share) <= 3.29 * math.sqrt(trials * share * (1 - share)) + 1


def _json(value: object) -> str:
    return json.dumps(value)
