"""Reads a stack's configuration over the defaults of its environment, or raises one error that names every problem."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.settings.checks import check
from infra.settings.errors import Problem, SettingsError
from infra.settings.model import Environment, Settings
from infra.settings.sections import Section

NAMESPACE = "serveml:"

Defaults = Callable[[Environment], Mapping[str, object]]

# Stands in for a missing domain, which no cross-field check reads.
_SOME_DOMAIN = "example.com"
_DIGEST_REMEDY = (
    "images are deployed by digest, never by tag: write REPOSITORY@sha256:<64 hexadecimal digits>; "
    "`aws ecr describe-images` shows the digest of a tag"
)
_REMEDIES = {
    "image": _DIGEST_REMEDY,
    "workload.canary_image": _DIGEST_REMEDY,
    "domain": "write a full domain name in lower case, such as ml.example.com",
    "hosted_zone_id": "write the id of a Route 53 hosted zone, such as Z0123456789ABCDEFGHIJ",
    "project": "use lower-case letters, digits and inner hyphens, starting with a letter",
    "access.token_keys_url": "write an https address without a user, such as https://issuer.example.com/keys.json",
    "workload.model_version": "write a version such as 1.4.0, or latest",
    "cluster.kubernetes_version": "write a minor version such as 1.34",
}


def load(config: Mapping[str, Any], *, stack: str, defaults: Defaults) -> Settings:
    """Return the settings of `stack`.

    `config` holds the stack's whole configuration by full key (`serveml:environment`), values as Pulumi hands them
    to a program: strings, with JSON for objects; keys of other namespaces are left alone. `defaults` gives the
    top-level settings that an environment changes. Raises SettingsError with every problem found.
    """
    own = {key.removeprefix(NAMESPACE): _decode(value) for key, value in config.items() if key.startswith(NAMESPACE)}
    if not own:
        raise SettingsError(stack, [_no_settings(stack)])
    base = _environment_defaults(own.get("environment"), defaults)
    merged = _merge(base, own)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems = [_problem(stack, detail) for detail in details]
        broken = {str(detail["loc"][0]) for detail in details}
        raise SettingsError(stack, problems + _other_problems(base, merged, broken)) from None
    problems = check(settings)
    if problems:
        raise SettingsError(stack, problems)
    return settings


def _no_settings(stack: str) -> Problem:
    return Problem(
        f"{NAMESPACE}environment",
        f"the stack has no settings: create Pulumi.{stack}.yaml with {NAMESPACE}environment "
        f"({_listed(Environment)}) and {NAMESPACE}domain, or copy one of the files that are there",
    )


def _decode(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _environment_defaults(environment: object, defaults: Defaults) -> dict[str, Any]:
    try:
        known = Environment(str(environment))
    except ValueError:
        return {}
    return {
        key: value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
        for key, value in defaults(known).items()
    }


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, objects merged key by key, everything else replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _merge(cast(Mapping[str, Any], below), cast(Mapping[str, Any], value))
        else:
            merged[key] = value
    return merged


def _other_problems(base: Mapping[str, Any], merged: Mapping[str, Any], broken: set[str]) -> list[Problem]:
    """What the cross-field checks say of the settings that could be read, the broken ones left at their defaults."""
    readable = {key: value for key, value in merged.items() if key not in broken}
    readable |= {key: value for key, value in base.items() if key in broken}
    readable.setdefault("domain", _SOME_DOMAIN)
    try:
        settings = Settings.model_validate(readable)
    except ValidationError:
        return []
    return [problem for problem in check(settings) if _top_level(problem.key) not in broken]


def _top_level(key: str) -> str:
    return key.removeprefix(NAMESPACE).split(".")[0]


def _problem(stack: str, detail: ErrorDetails) -> Problem:
    path = [str(part) for part in detail["loc"]]
    dotted = ".".join(path)
    key = NAMESPACE + dotted
    given = detail["input"]
    if detail["type"] == "extra_forbidden":
        return Problem(key, _unknown_key(path))
    if detail["type"] == "missing" and path == ["environment"]:
        return _no_settings(stack)
    if detail["type"] == "missing":
        return Problem(key, f"is not set and has no default; set it with `pulumi config set {key} VALUE`")
    remedy = _REMEDIES.get(dotted)
    said = detail["msg"][0].lower() + detail["msg"][1:]
    return Problem(key, f"{given!r} was given; {remedy or said}")


def _unknown_key(path: list[str]) -> str:
    section = _section_at(path[:-1])
    allowed = sorted(section.model_fields)
    near = difflib.get_close_matches(path[-1], allowed, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"is not a setting; {hint}Allowed here: {', '.join(allowed)}"


def _section_at(path: list[str]) -> type[Section]:
    section: type[Section] = Settings
    for part in path:
        annotation = section.model_fields[part].annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            section = annotation
    return section


def _listed(values: type[Environment]) -> str:
    return ", ".join(values)
