"""Notices: what arrives at a topic and in a chat, tries and their end, and that nothing secret is ever shown."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from localcloud.moto_server import free_port
from ops.notices import Delivery, Notice, Notifier, Outcome, Severity, SlackWebhook, Topic
from ops.notices.notice import Undelivered
from ops.notices.retry import IN_ALL_SECONDS, Patience
from ops.notices.slack import ENV_WEBHOOK, BadWebhook, retry_after_seconds
from tests.lifecycle.answers import Answer, AnswerServer

REGION = "us-east-1"
SECRET = "planted-T0/B0/x8Qz"
NOTICE = Notice(
    severity=Severity.WARNING,
    summary="churn went back from 1.1.0 to 1.0.0",
    deployment="churn",
    key="churn#7",
    details={"gate": "errors < 0.1%", "measured": "12 & more"},
)


class Time:
    """Passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    @property
    def patience(self) -> Patience:
        return Patience(clock=lambda: self.now, pause=self.pause, jitter=lambda least, most: most)


@pytest.fixture
def passing() -> Time:
    return Time()


@pytest.fixture
def sns() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("sns", region_name=REGION)


def _say(sender: Any, passing: Time, notice: Notice = NOTICE) -> Delivery:
    (delivery,) = Notifier([sender], None, passing.patience).notify(notice)
    return delivery


def _slack(server: AnswerServer) -> SlackWebhook:
    return SlackWebhook(f"{server.url}/services/{SECRET}")


def test_subscribers_of_the_topic_read_the_notice(sns: Any, passing: Time) -> None:
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sqs = boto3.client("sqs", region_name=REGION)
    queue = sqs.create_queue(QueueName="read")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    assert _say(Topic(sns, topic), passing) == Delivery(sender="sns", outcome=Outcome.SENT)
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    arrived = json.loads(message["Body"])
    assert arrived["Subject"] == "[warning] churn: churn went back from 1.1.0 to 1.0.0"
    assert arrived["Message"].splitlines() == [
        "churn went back from 1.1.0 to 1.0.0",
        "",
        "severity: warning",
        "deployment: churn",
        "gate: errors < 0.1%",
        "measured: 12 & more",
    ]
    assert arrived["MessageAttributes"]["severity"]["Value"] == "warning"


def test_a_subject_is_what_sns_takes(passing: Time) -> None:
    published: list[dict[str, Any]] = []

    class Client:
        def publish(self, **message: Any) -> None:
            published.append(message)

    long = Notice(severity=Severity.INFO, summary="zu früh\n" + "x" * 200, deployment="churn", key="k")
    _say(Topic(Client(), "arn"), passing, long)
    subject = published[0]["Subject"]
    assert len(subject) < 100
    assert subject.startswith("[info] churn: zu fr?h?xxx")


def test_an_absent_topic_fails_at_once_and_says_why(sns: Any, passing: Time) -> None:
    delivery = _say(Topic(sns, f"arn:aws:sns:{REGION}:123456789012:absent"), passing)
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "SNS refused the notice: NotFound")
    assert passing.waits == []


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "Throttling"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Publish"),
        ClientError({"Error": {"Code": "InternalError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "Publish"),
        EndpointConnectionError(endpoint_url="https://sns.example"),
    ],
)
def test_sns_is_asked_again_where_that_may_help(error: Exception, passing: Time) -> None:
    class Client:
        calls = 0

        def publish(self, **_: Any) -> None:
            self.calls += 1
            if self.calls < 3:
                raise error

    client = Client()
    assert _say(Topic(client, "arn"), passing).outcome is Outcome.SENT
    assert client.calls == 3


def test_slack_gets_text_in_which_nothing_is_markup(passing: Time) -> None:
    shouting = Notice(
        severity=Severity.CRITICAL, summary="<!channel> & more", deployment="churn", key="k", details={"a": "<@U1>"}
    )
    with AnswerServer(Answer()) as server:
        assert _say(_slack(server), passing, shouting).outcome is Outcome.SENT
    (asked,) = server.asked
    assert asked.path == f"/services/{SECRET}"
    assert json.loads(asked.body) == {"text": ":rotating_light: *churn*: &lt;!channel&gt; &amp; more\n• a: &lt;@U1&gt;"}


def test_slack_is_asked_again_after_growing_pauses(passing: Time) -> None:
    with AnswerServer(Answer(status=500), Answer(status=503), Answer(status=502), Answer()) as server:
        assert _say(_slack(server), passing).outcome is Outcome.SENT
    assert passing.waits == [0.5, 1.0, 2.0]


def test_slack_is_given_the_time_that_it_asks_for(passing: Time) -> None:
    with AnswerServer(Answer(status=429, headers={"Retry-After": "7"}), Answer()) as server:
        assert _say(_slack(server), passing).outcome is Outcome.SENT
    assert passing.waits == [7.0]


def test_more_time_than_there_is_ends_the_tries_at_once(passing: Time) -> None:
    with AnswerServer(Answer(status=429, headers={"Retry-After": "3600"})) as server:
        delivery = _say(_slack(server), passing)
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "Slack answers with status 429")
    assert passing.waits == []


def test_tries_end_within_their_time(passing: Time) -> None:
    with AnswerServer(Answer(status=500)) as server:
        assert _say(_slack(server), passing).outcome is Outcome.FAILED
    assert 20 < passing.now < IN_ALL_SECONDS
    assert len(server.asked) == len(passing.waits) + 1


def test_a_webhook_that_was_withdrawn_fails_at_once(passing: Time) -> None:
    with AnswerServer(Answer(status=404, body=b"no_service")) as server:
        assert _say(_slack(server), passing).reason == "Slack answers with status 404: no_service"
    assert passing.waits == []


def test_slack_that_does_not_answer_takes_no_longer_than_its_time() -> None:
    with AnswerServer(Answer(hangs=True)) as server:
        notifier = Notifier([_slack(server)], None, Patience(in_all_seconds=0.3))
        (delivery,) = notifier.notify(NOTICE)
    assert (delivery.outcome, delivery.reason) == (Outcome.FAILED, "Slack broke off: no answer in time")


def test_slacks_redirects_are_not_followed(passing: Time) -> None:
    with AnswerServer(Answer()) as other, AnswerServer(Answer(status=307, headers={"Location": other.url})) as server:
        assert _say(_slack(server), passing).reason == "Slack answers with status 307"
        assert other.asked == []


class _Broken:
    name = "broken"

    def send(self, notice: Notice, timeout_seconds: float) -> None:
        raise KeyError(SECRET)


class _Hanging:
    name = "hanging"

    def __init__(self) -> None:
        self.over = threading.Event()

    def send(self, notice: Notice, timeout_seconds: float) -> None:
        self.over.wait(60)


def test_one_way_that_fails_or_hangs_does_not_stop_another(sns: Any) -> None:
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    hanging = _Hanging()
    notifier = Notifier([_Broken(), hanging, Topic(sns, topic)], None, Patience(in_all_seconds=0.2))
    deliveries = notifier.notify(NOTICE)
    hanging.over.set()
    assert [(one.sender, one.outcome) for one in deliveries] == [
        ("broken", Outcome.FAILED),
        ("hanging", Outcome.FAILED),
        ("sns", Outcome.SENT),
    ]
    assert deliveries[0].reason == "unexpected: KeyError"
    assert deliveries[1].reason == "no answer within 0.2 s"


@pytest.mark.parametrize(
    "url",
    [
        f"http://hooks.slack.example/{SECRET}",
        f"ftp://127.0.0.1/{SECRET}",
        f"https://user:{SECRET}@hooks.slack.example",
        f"https:///{SECRET}",
        f"https://hooks.slack.example/ {SECRET}",
        f"https://hooks.slack.example:x/{SECRET}",
        SECRET,
    ],
)
def test_a_webhook_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(BadWebhook, match="give the https address") as refused:
        SlackWebhook(url)
    assert "planted" not in str(refused.value)


def test_the_webhooks_address_is_in_no_message_log_or_name(
    passing: Time, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [
        Answer(status=400, body=f"no https://hooks.slack.example/{SECRET}".encode()),
        Answer(status=302, headers={"Location": f"/{SECRET}"}),
        Answer(body=b"x", announced_bytes=9),
    ]
    said: list[str] = []
    for answer in answers:
        with AnswerServer(answer) as server:
            slack = _slack(server)
            said += [repr(slack), str(slack), f"{_say(slack, passing)}"]
    dead = SlackWebhook(f"http://127.0.0.1:{free_port()}/{SECRET}")
    said += [repr(dead), f"{_say(dead, passing)}"]
    with pytest.raises(Undelivered) as failed:
        dead.send(NOTICE, 1)
    # A debugger or a log of the chain of errors finds nothing either.
    assert failed.value.__context__ is None
    logging.getLogger("test").exception("failed", exc_info=failed.value)
    printed = capfd.readouterr()
    for text in (*said, caplog.text, printed.out, printed.err):
        assert "planted" not in text


def test_the_webhook_comes_from_a_file_or_the_environment(tmp_path: Path, passing: Time) -> None:
    with AnswerServer(Answer()) as server:
        file = tmp_path / "webhook"
        file.write_text(f"{server.url}/from-file\n")
        environment = {ENV_WEBHOOK: f"{server.url}/from-environment"}
        for slack in (SlackWebhook.load(file, environment), SlackWebhook.load(None, environment)):
            assert slack is not None
            _say(slack, passing)
    assert [asked.path for asked in server.asked] == ["/from-file", "/from-environment"]
    assert SlackWebhook.load(None, {}) is None
    with pytest.raises(BadWebhook, match=r"no Slack webhook can be read from .*absent: No such file"):
        SlackWebhook.load(tmp_path / "absent", environment)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("12", 12),
        ("soon", 0),
        ("-3", 0),
        ("Sun, 01 Mar 2026 12:00:20 GMT", 20),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(value: str | None, seconds: float) -> None:
    assert retry_after_seconds(value, datetime(2026, 3, 1, 12, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_notice_without_a_usable_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="1 to 200 are allowed"):
        Notice(severity=Severity.INFO, summary="s", deployment="d", key=key)
