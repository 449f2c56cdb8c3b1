"""The random provider's resources, with real randomness: the secrets of the local account are secrets."""

from __future__ import annotations

import base64
import secrets
import string
import uuid
from collections.abc import Callable
from typing import Any

from localcloud.recorder import Created, Registration

# The provider's default set of special characters (registry documentation of random.RandomPassword, overrideSpecial).
SPECIAL = "!@#$%&*()-_=+[]{}<>:?"

_CLASSES = {
    # input that switches it on, input with the least count, and characters
    "lower": ("minLower", string.ascii_lowercase),
    "upper": ("minUpper", string.ascii_uppercase),
    "numeric": ("minNumeric", string.digits),
    "special": ("minSpecial", SPECIAL),
}


def characters(inputs: dict[str, Any]) -> str:
    """A random string of `length` characters from the classes that are on, with at least the asked count of each."""
    chosen: list[str] = []
    alphabet = ""
    for switch, (least, members) in _CLASSES.items():
        if not inputs.get(switch, True):
            continue
        allowed = str(inputs.get("overrideSpecial") or members) if switch == "special" else members
        alphabet += allowed
        chosen += [secrets.choice(allowed) for _ in range(int(inputs.get(least, 0)))]
    length = int(inputs["length"])
    chosen += [secrets.choice(alphabet) for _ in range(length - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return "".join(chosen[:length])


def _password(r: Registration) -> Created:
    # The id of a password is a constant, so that it shows nothing of the secret.
    return Created("none", {"result": characters(dict(r.inputs))})


def _string(r: Registration) -> Created:
    result = characters(dict(r.inputs))
    return Created(result, {"result": result})


def _id(r: Registration) -> Created:
    raw = secrets.token_bytes(int(r.inputs["byteLength"]))
    prefix = str(r.inputs.get("prefix", ""))
    url_safe = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return Created(
        url_safe,
        {
            "hex": prefix + raw.hex(),
            "dec": prefix + str(int.from_bytes(raw, "big")),
            "b64Std": prefix + base64.b64encode(raw).decode(),
            "b64Url": prefix + url_safe,
        },
    )


def _bytes(r: Registration) -> Created:
    raw = secrets.token_bytes(int(r.inputs["length"]))
    return Created("none", {"hex": raw.hex(), "base64": base64.b64encode(raw).decode()})


def _uuid(r: Registration) -> Created:
    result = str(uuid.uuid4())
    return Created(result, {"result": result})


MAKERS: dict[str, Callable[[Registration], Created]] = {
    "random:index/randomPassword:RandomPassword": _password,
    "random:index/randomString:RandomString": _string,
    "random:index/randomId:RandomId": _id,
    "random:index/randomBytes:RandomBytes": _bytes,
    "random:index/randomUuid:RandomUuid": _uuid,
}
