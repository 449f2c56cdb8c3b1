"""Notices to an SNS topic, whose subscribers are mail addresses, queues and other regions' alarms."""

from __future__ import annotations

from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import code_of
from ops.notices.notice import Notice, Undelivered

MOST_SUBJECT_CHARACTERS = 99
"""SNS takes fewer than 100, all of them printable ASCII."""
MOST_MESSAGE_CHARACTERS = 50_000
"""At four bytes each still below the 256 KiB that SNS takes."""

_FIRST_SERVER_ERROR = 500
_TOO_MANY = 429


class Publisher(Protocol):
    """Of boto3's SNS client what is needed here."""

    def publish(self, **message: Any) -> Any: ...


class Topic:
    """A sender. Its client's own retries and timeouts come on top of the tries here."""

    name = "sns"

    def __init__(self, client: Publisher, arn: str) -> None:
        self._client = client
        self._arn = arn

    def send(self, notice: Notice, timeout_seconds: float) -> None:
        """One call, whose time is the client's; raise Undelivered."""
        del timeout_seconds
        attributes = {"severity": notice.severity.value, "deployment": notice.deployment}
        try:
            self._client.publish(
                TopicArn=self._arn,
                Subject=_subject(notice),
                Message=text(notice)[:MOST_MESSAGE_CHARACTERS],
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        except ClientError as error:
            response: Any = error.response
            code = code_of(error) or "an unknown error"
            status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            again = status >= _FIRST_SERVER_ERROR or status == _TOO_MANY or code.startswith("Throttl")
            raise Undelivered(f"SNS refused the notice: {code}", again=again) from None
        except BotoCoreError as error:
            raise Undelivered(f"SNS did not answer: {type(error).__name__}", again=True) from None


def text(notice: Notice) -> str:
    """As people read it in a mail."""
    head = [notice.summary, "", f"severity: {notice.severity}", f"deployment: {notice.deployment}"]
    return "\n".join([*head, *(f"{name}: {value}" for name, value in notice.details.items())]) + "\n"


def _subject(notice: Notice) -> str:
    wanted = f"[{notice.severity}] {notice.deployment}: {notice.summary}"
    return "".join(letter if " " <= letter <= "~" else "?" for letter in wanted)[:MOST_SUBJECT_CHARACTERS].rstrip()
