"""`serveml key`: API keys are made, listed, replaced and revoked. What is written of them is `ops.keys`' to say."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from contract import access
from contract.access import InvalidRecord
from contract.objects import InvalidName, model_prefix
from ops import durations
from ops.commands.key_results import (
    NOTICED_SECONDS,
    KeyCreated,
    KeyList,
    KeyRevoked,
    KeyRotated,
    KeyShown,
    listed,
    shown,
)
from ops.commands.results import prints
from ops.commands.shown import (
    EnvironmentOption,
    JsonOption,
    Refused,
    YesOption,
    confirm,
    errors,
    failures_shown,
    open_platform,
    show,
    to_json,
)
from ops.durations import InvalidDuration
from ops.keys import ApiKeys, KeyRefused, State, id_in
from ops.platform import LOCAL, Platform

app = typer.Typer(no_args_is_help=True, help="API keys: who may call which models, how often and until when.")

NEVER = "never"
DEFAULT_LIFETIME = "90d"
DEFAULT_OVERLAP = "24h"

_REFUSALS = (KeyRefused, InvalidRecord, InvalidName, InvalidDuration)
_COLOURS = {State.GOOD: "green", State.EXPIRED: "yellow", State.REVOKED: "red"}
_DAY_SECONDS = 86_400
_KEY_ID_WIDTH = 12

KeyArgument = Annotated[str, typer.Argument(metavar="KEY_ID", help="The key's id, or the whole key.")]


@app.command()
@prints(KeyCreated)
def create(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose key it is.")],
    models: Annotated[
        list[str] | None, typer.Option("--model", help="A model that the key may call; say it again for more.")
    ] = None,
    any_model: Annotated[bool, typer.Option("--any-model", help="The key may call every model.")] = False,
    is_operator: Annotated[
        bool, typer.Option("--operator", help="The key may load and unload versions and read the metrics.")
    ] = False,
    expires: Annotated[
        str, typer.Option("--expires", help=f"For how long it is good, such as 12h or 90d; or {NEVER}; or a date.")
    ] = DEFAULT_LIFETIME,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            min=1, max=access.MOST_REQUESTS_PER_MINUTE, help="Its limit at each pod, in place of the service's own."
        ),
    ] = None,
    environment: EnvironmentOption = LOCAL,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Make a key and print it, once: the standard output holds the key alone."""
    with failures_shown(*_REFUSALS):
        now = time.time()
        scopes = [
            *(models or ()),
            *([access.ANY_MODEL] if any_model else ()),
            *([access.OPERATOR] if is_operator else ()),
        ]
        if not scopes:
            raise Refused("the key would open nothing: name its models by --model, or say --any-model or --operator")
        expires_at = _expiry(expires, now)
        platform = open_platform(environment)
        warnings = tuple(_without_versions(platform, models or ()))
        confirm(environment, f"a key for {user}", yes=yes)
        keys = ApiKeys(platform.dynamodb, platform.outputs.api_keys_table, now=lambda: now)
        key, record = keys.issue(
            user_id=user, scopes=scopes, expires_at=expires_at, requests_per_minute=requests_per_minute
        )
    made = shown(record, now)
    result = KeyCreated(key=key, record=made, noticed_within_seconds=NOTICED_SECONDS, warnings=warnings)
    for warning in warnings:
        errors.print(f"warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    _print_secret(to_json(result) if as_json else f"{key}\n")
    if not as_json:
        errors.print(
            f"{_sentence(made)}. It is not shown again; pods take it within {NOTICED_SECONDS} s.", markup=False
        )


@app.command("list")
@prints(KeyList)
def list_keys(
    user: Annotated[str | None, typer.Option("--user", help="Only this user's keys.")] = None,
    environment: EnvironmentOption = LOCAL,
    as_json: JsonOption = False,
) -> None:
    """List keys with their state, age and rights, the newest first."""
    with failures_shown(*_REFUSALS):
        keys = _keys(open_platform(environment))
        found = keys.all() if user is None else keys.of_user(_user(user))
        result = listed(found.records, found.unreadable, time.time())
        show(result, as_json, lambda: _table(result))
        if found.unreadable and not as_json:
            errors.print(f"no keys by their shape, and refused by pods: {', '.join(found.unreadable)}", markup=False)


@app.command()
@prints(KeyRevoked)
def revoke(
    key_id: KeyArgument,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, as the list shows it.")] = None,
    environment: EnvironmentOption = LOCAL,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Revoke a key for good; a key that was revoked before stays as it is."""
    with failures_shown(*_REFUSALS):
        platform, known = open_platform(environment), id_in(key_id)
        keys = _keys(platform)
        keys.get(known)
        confirm(environment, f"key {known} is revoked", yes=yes)
        record, changed = keys.revoke(known, reason)
        revoked = shown(record, time.time())
        result = KeyRevoked(record=revoked, changed=changed, refused_within_seconds=NOTICED_SECONDS)
        said = (
            f"revoked; pods refuse it within {NOTICED_SECONDS} s"
            if changed
            else f"revoked {revoked.revoked_at} already"
        )
        show(result, as_json, lambda: Text(f"key {record.key_id} of {record.user_id}: {said}"))


@app.command()
@prints(KeyRotated)
def rotate(
    key_id: KeyArgument,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the old key stays good.")] = DEFAULT_OVERLAP,
    expires: Annotated[
        str | None,
        typer.Option("--expires", help="For how long the new key is good; without, as long as the old one was given."),
    ] = None,
    environment: EnvironmentOption = LOCAL,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Make a new key with the same rights and print it, once; the old one expires after the overlap."""
    with failures_shown(*_REFUSALS):
        platform, known = open_platform(environment), id_in(key_id)
        keys = _keys(platform)
        lifetime = None if expires is None else durations.parse(expires)
        pause = durations.parse(overlap)
        keys.get(known)
        confirm(environment, f"key {known} is replaced", yes=yes)
        key, new, old = keys.rotate(known, pause, lifetime=lifetime)
    now = time.time()
    made, ending = shown(new, now), shown(old, now)
    result = KeyRotated(key=key, record=made, replaces=ending, noticed_within_seconds=NOTICED_SECONDS)
    _print_secret(to_json(result) if as_json else f"{key}\n")
    if not as_json:
        errors.print(
            f"{_sentence(made)}. It is not shown again; {old.key_id} is good until {ending.expires_at}.",
            markup=False,
            soft_wrap=True,
        )


def _keys(platform: Platform) -> ApiKeys:
    return ApiKeys(platform.dynamodb, platform.outputs.api_keys_table)


def _user(user: str) -> str:
    if not access.is_user_id(user):
        raise Refused("that is no id of a user: 1 to 128 printable ASCII characters without blanks are allowed")
    return user


def _expiry(text: str, now: float) -> int | None:
    """Unix time of a length of time from now, a date or a date and time; None for never."""
    if text == NEVER:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return int(now + durations.parse(text).total_seconds())
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _without_versions(platform: Platform, models: list[str] | tuple[str, ...]) -> list[str]:
    """A line for each model that the production bucket holds nothing of: misspelt, or not promoted yet."""
    s3, bucket = platform.s3(), platform.outputs.models_buckets[platform.home_region]
    prefixes = {model: model_prefix(model) for model in models}
    return [
        f"{bucket} holds no version of the model {model!r}: the key is good for it once one is there"
        for model, prefix in prefixes.items()
        if not s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount")
    ]


def _print_secret(text: str) -> None:
    """Past the console, which would fold or colour it."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _sentence(key: KeyShown) -> str:
    until = "until it is revoked" if key.expires_at is None else f"until {key.expires_at}"
    return f"key {key.key_id} of {key.user_id} for {', '.join(key.scopes)}, good {until}"


def _table(result: KeyList) -> Table:
    # Ids are there to be copied: other columns are folded where the terminal is narrow.
    table = Table(Column("key", no_wrap=True, min_width=_KEY_ID_WIDTH), box=None)
    for name in ("user", "state", "scopes", "age", "expires", "requests/min", "why revoked"):
        table.add_column(name, overflow="fold")
    for key in result.keys:
        table.add_row(
            key.key_id,
            Text(key.user_id),
            Text(key.state.value, style=_COLOURS[key.state]),
            ", ".join(key.scopes),
            f"{key.age_seconds // _DAY_SECONDS} d",
            "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}",
            "" if key.requests_per_minute is None else str(key.requests_per_minute),
            Text(key.revoked_reason or ""),
        )
    return table
