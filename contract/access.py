"""API keys: how a key is written, what is kept of it, and how the record lies in a JSON document and a DynamoDB item.

A key reads `sml_<key id>_<secret>`: 12 and 52 base32 characters, so it survives a double click and secret scanners
can find it by `sml_[a-z2-7]{12}_[a-z2-7]{52}`. Only its SHA-256 is kept. The secret is 256 random bits: there is no
list of likely secrets to try against a stolen digest, which is what salts and slow hashes are for, so neither is used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from contract.objects import InvalidName, check_model_name

KEY_PREFIX = "sml_"
ANY_MODEL = "*"
OPERATOR = "@operator"
"""The scope for loading and unloading versions and for reading the metrics; no model can have this name."""

# The table: its hash key, the index that finds a user's keys, and the attribute DynamoDB may delete expired keys by.
HASH_KEY = "key_id"
USER_INDEX = "user-index"
USER_INDEX_HASH_KEY = "user_id"
TTL_ATTRIBUTE = "expires_at"

MOST_REQUESTS_PER_MINUTE = 6_000_000
MOST_KEYS_PER_USER = 10
"""That are good at the same time: more are hard to keep an eye on."""

_SECRET_BYTES = 32
_KEY_ID_CHARACTERS = 12
_KEY_ID_BYTES = 8
_KEY_ID = re.compile(r"[a-z2-7]{12}")
_KEY = re.compile(rf"{KEY_PREFIX}([a-z2-7]{{12}})_[a-z2-7]{{52}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Printable ASCII without blanks: what may stand in a log line, a metric's label and a header without quoting.
_USER_ID = re.compile(r"[!-~]{1,128}")
_REASON = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


class InvalidRecord(ValueError):
    """A record, or a document of them, that breaks the shape; the message names the field and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class ApiKeyRecord:
    """What is known of a key. Times are Unix seconds, the form that DynamoDB's time to live reads."""

    key_id: str
    user_id: str
    digest: str
    """SHA-256 of the whole key in hexadecimal: a digest copied to another key's record matches nothing."""
    scopes: tuple[str, ...]
    """Names of models the key may call, `*` for any, and `@operator` for what operators do."""
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    revoked_reason: str | None = None
    requests_per_minute: int | None = None
    """None means the service's own limit."""

    def __post_init__(self) -> None:
        _check_text(self, "key_id", _KEY_ID, "12 characters a-z and 2-7")
        _check_text(self, "user_id", _USER_ID, "1 to 128 printable ASCII characters without blanks")
        _check_text(self, "digest", _DIGEST, "64 hexadecimal digits in lower case")
        if self.revoked_reason is not None:
            _check_text(self, "revoked_reason", _REASON, "1 to 200 characters on one line")
        _check_scopes(self)
        for name in ("created_at", "expires_at", "revoked_at", "requests_per_minute"):
            value: object = getattr(self, name)
            if (value is None and name != "created_at") or (type(value) is int and value > 0):
                continue
            raise InvalidRecord(f"{_named(self)} has {value!r:.40} for {name}: a whole number above 0 is allowed")
        if self.expires_at is not None and self.expires_at <= self.created_at:
            raise InvalidRecord(f"{_named(self)} expires at {self.expires_at}, before it was made: give a later time")
        if (self.requests_per_minute or 0) > MOST_REQUESTS_PER_MINUTE:
            raise InvalidRecord(
                f"{_named(self)} has {self.requests_per_minute} requests_per_minute, "
                f"at most {MOST_REQUESTS_PER_MINUTE} are allowed"
            )


def issue(
    *,
    user_id: str,
    scopes: Iterable[str],
    now: float,
    expires_at: int | None = None,
    requests_per_minute: int | None = None,
) -> tuple[str, ApiKeyRecord]:
    """A new key and its record. The key is shown to its user once: it cannot be had from the record again."""
    key_id = _base32(secrets.token_bytes(_KEY_ID_BYTES))[:_KEY_ID_CHARACTERS]
    text = f"{KEY_PREFIX}{key_id}_{_base32(secrets.token_bytes(_SECRET_BYTES))}"
    record = ApiKeyRecord(
        key_id=key_id,
        user_id=user_id,
        digest=digest_of(text),
        scopes=tuple(scopes),
        created_at=int(now),
        expires_at=expires_at,
        requests_per_minute=requests_per_minute,
    )
    return text, record


def key_id_of(text: str) -> str | None:
    """The id in a well-formed key, or None; says nothing about whether the key exists."""
    match = _KEY.fullmatch(text)
    return match[1] if match else None


def is_key_id(text: str) -> bool:
    """Whether the text may be a key's id: 12 characters a-z and 2-7."""
    return _KEY_ID.fullmatch(text) is not None


def is_user_id(text: str) -> bool:
    """Whether the text may name a user: 1 to 128 printable ASCII characters without blanks."""
    return _USER_ID.fullmatch(text) is not None


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def to_document(record: ApiKeyRecord) -> dict[str, Any]:
    """The record as a JSON object; what is None is left out."""
    document = {name: value for name, value in asdict(record).items() if value is not None}
    return {**document, "scopes": list(record.scopes)}


def from_document(document: object) -> ApiKeyRecord:
    """Read one object; raise InvalidRecord. An unknown field may be a misspelt `expires_at`, so it is refused."""
    if not isinstance(document, dict):
        raise InvalidRecord("a key's record must be an object")
    given = cast(dict[str, Any], document)
    known = {field.name for field in fields(ApiKeyRecord)}
    if unknown := sorted(set(given) - known):
        raise InvalidRecord(f"a key's record has unknown fields: {', '.join(unknown)}; known are {', '.join(known)}")
    if missing := sorted({"key_id", "user_id", "digest", "scopes", "created_at"} - set(given)):
        raise InvalidRecord(f"the record of key {given.get('key_id')!r:.20} lacks {', '.join(missing)}")
    if not isinstance(given["scopes"], list):
        raise InvalidRecord(f"the record of key {given['key_id']!r:.20} has no list of scopes")
    values: dict[str, Any] = {**given, "scopes": tuple(cast(list[Any], given["scopes"]))}
    return ApiKeyRecord(**values)


def render(records: Iterable[ApiKeyRecord]) -> bytes:
    """A file of keys: `{"keys": [...]}`."""
    return json.dumps({"keys": [to_document(record) for record in records]}, indent=2).encode() + b"\n"


def parse(data: bytes) -> tuple[ApiKeyRecord, ...]:
    """Read a file of keys; raise InvalidRecord for any fault, and for a key named twice."""
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidRecord(f"the file of keys is not a JSON document: {error}") from None
    keys: object = cast(dict[str, Any], document).get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise InvalidRecord('the file of keys must be an object with a list "keys"')
    records = tuple(from_document(key) for key in cast(list[Any], keys))
    if len({record.key_id for record in records}) != len(records):
        raise InvalidRecord("the file of keys names a key twice: keep one record for each")
    return records


def to_item(record: ApiKeyRecord) -> dict[str, Any]:
    """The record as DynamoDB's client takes it: attribute name to typed value."""
    return {name: _attribute(value) for name, value in to_document(record).items()}


def from_item(item: Mapping[str, Any]) -> ApiKeyRecord:
    """Read an item; raise InvalidRecord."""
    try:
        document = {name: _plain(value) for name, value in item.items()}
    except (AttributeError, TypeError, ValueError):
        raise InvalidRecord(f"the item of key {item.get(HASH_KEY)!r:.21} has an attribute of another type") from None
    return from_document(document)


def _attribute(value: str | int | list[str]) -> dict[str, Any]:
    if isinstance(value, list):
        return {"L": [{"S": text} for text in value]}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def _plain(attribute: Mapping[str, Any]) -> object:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return value
        case "N":
            return int(value)
        case "L":
            return [_plain(element) for element in value]
        case _:
            raise ValueError(kind)


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _named(record: ApiKeyRecord) -> str:
    return f"the record of key {record.key_id!r:.20}"


def _check_text(record: ApiKeyRecord, name: str, pattern: re.Pattern[str], allowed: str) -> None:
    value: object = getattr(record, name)
    # The value is not quoted: who mistakes one field for another may have put a key there.
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise InvalidRecord(f"{name} of a key's record is not allowed: {allowed} are")


def _check_scopes(record: ApiKeyRecord) -> None:
    if not record.scopes or any(record.scopes.count(scope) > 1 for scope in record.scopes):
        raise InvalidRecord(f"{_named(record)} must have one scope or more, each once")
    for scope in record.scopes:
        try:
            if scope not in (ANY_MODEL, OPERATOR):
                check_model_name(scope)
        except (InvalidName, TypeError):
            raise InvalidRecord(
                f"{_named(record)} has the scope {scope!r:.70}: the name of a model, {ANY_MODEL!r} for any, or "
                f"{OPERATOR!r} is allowed"
            ) from None
