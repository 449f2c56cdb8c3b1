"""Copies custom resource definitions from an upstream's Go module into `crds/`, without their prose, and locks them.

Run `python -m components.observability.vendor SOURCE_DIR`, where SOURCE_DIR is the folder of one of the modules below
at its version, which `go mod download -json MODULE@VERSION` prints as `Dir`. For each file the lock says where it came
from, under which licence, and the SHA-256 of its bytes there and here. `crds` reads what lies there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from infra.errors import InvalidInput

CRD_FOLDER = Path(__file__).parent / "crds"
LOCK_NAME = "lock.json"

_LINE_WIDTH = 120
_MANY_SCHEMAS = ("properties", "patternProperties", "definitions")
_ONE_SCHEMA = ("items", "additionalProperties", "not")
_LISTED_SCHEMAS = ("allOf", "anyOf", "oneOf")


class InvalidSource(InvalidInput):
    """A folder that is not one of the modules below at its version; the message says what was looked for."""


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A Go module at a version, and the definitions taken from it."""

    module: str
    version: str
    licence: str
    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Locked:
    """One line of the lock."""

    file: str
    module: str
    version: str
    licence: str
    path: str
    original_sha256: str
    vendored_sha256: str


UPSTREAMS = (
    Upstream(
        module="github.com/prometheus-operator/prometheus-operator",
        version="v0.93.0",
        licence="Apache-2.0",
        folder="example/prometheus-operator-crd",
        # What the operator's controllers for Prometheus and Alertmanager wait for before they do anything
        # (`waitForCacheSync` in pkg/prometheus/server/operator.go and pkg/alertmanager/operator.go): pod monitors,
        # probes and Alertmanager configurations too, though there are none here. Without ScrapeConfig, PrometheusAgent
        # and ThanosRuler it goes on (`checkPrerequisites` in cmd/operator/main.go).
        files=(
            "monitoring.coreos.com_alertmanagerconfigs.yaml",
            "monitoring.coreos.com_alertmanagers.yaml",
            "monitoring.coreos.com_podmonitors.yaml",
            "monitoring.coreos.com_probes.yaml",
            "monitoring.coreos.com_prometheuses.yaml",
            "monitoring.coreos.com_prometheusrules.yaml",
            "monitoring.coreos.com_servicemonitors.yaml",
        ),
    ),
)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 gives a bare `=` a type of its own, which the upstreams mean as text."""


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:value", _text)


def vendor(source: Path, target: Path = CRD_FOLDER, upstreams: Sequence[Upstream] = UPSTREAMS) -> list[Locked]:
    """Write the definitions of the upstream that `source` holds, and their lines of the lock; return those lines.

    The lines of other upstreams stay. Raises InvalidSource.
    """
    upstream = _upstream_of(source, upstreams)
    before = {line.file: line for line in read_lock(target)}
    found: dict[str, Locked] = {}
    texts: dict[str, bytes] = {}
    for name in upstream.files:
        original = (source / upstream.folder / name).read_bytes()
        texts[name] = without_prose(original)
        line = Locked(
            file=name,
            module=upstream.module,
            version=upstream.version,
            licence=upstream.licence,
            path=f"{upstream.folder}/{name}",
            original_sha256=sha256(original),
            vendored_sha256=sha256(texts[name]),
        )
        _refuse_another_original(before.get(name), line)
        found[name] = line
    for name, text in texts.items():
        (target / name).write_bytes(text)
    kept = {name: line for name, line in before.items() if line.module != upstream.module}
    lines = sorted({**kept, **found}.values(), key=lambda line: line.file)
    (target / LOCK_NAME).write_text(json.dumps([asdict(line) for line in lines], indent=2) + "\n")
    return list(found.values())


def read_lock(folder: Path = CRD_FOLDER) -> list[Locked]:
    """The lines of the lock; none where there is no lock yet."""
    path = folder / LOCK_NAME
    return [Locked(**line) for line in json.loads(path.read_text())] if path.exists() else []


def without_prose(original: bytes) -> bytes:
    """The definition with the descriptions of its fields left out, which are most of it and no part of what it does."""
    definition = cast(dict[str, Any], yaml.load(original, _Loader))
    for version in definition["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"] = _bare(version["schema"]["openAPIV3Schema"])
    return yaml.safe_dump(definition, sort_keys=False, width=_LINE_WIDTH).encode()


def sha256(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _bare(schema: Any) -> Any:
    """A schema without descriptions. A field may have that name, so only where the word is a keyword is it dropped."""
    if not isinstance(schema, dict):
        return schema
    bare: dict[str, Any] = {}
    for key, value in cast(dict[str, Any], schema).items():
        if key == "description":
            continue
        if key in _MANY_SCHEMAS:
            bare[key] = {name: _bare(inner) for name, inner in value.items()}
        elif key in _ONE_SCHEMA:
            bare[key] = _bare(value)
        elif key in _LISTED_SCHEMAS:
            bare[key] = [_bare(inner) for inner in value]
        else:
            bare[key] = value
    return bare


def _upstream_of(source: Path, upstreams: Sequence[Upstream]) -> Upstream:
    for upstream in upstreams:
        if all((source / upstream.folder / name).is_file() for name in upstream.files):
            return upstream
    known = "; ".join(f"{one.module} {one.version} with its {one.folder}" for one in upstreams)
    raise InvalidSource(f"{source} holds the definitions of no known upstream: give the folder of {known}")


def _refuse_another_original(before: Locked | None, now: Locked) -> None:
    if before is None or (before.module, before.version, before.path) != (now.module, now.version, now.path):
        return
    if before.original_sha256 != now.original_sha256:
        raise InvalidSource(
            f"{now.path} differs from what was locked for {now.module} {now.version} "
            f"(SHA-256 {before.original_sha256}): fetch that version, or name the new one in this module"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m components.observability.vendor", description=__doc__)
    parser.add_argument("source", type=Path, metavar="SOURCE_DIR", help="the folder of a module at its version")
    source: Path = parser.parse_args(arguments).source
    try:
        lines = vendor(source)
    except InvalidSource as error:
        print(error, file=sys.stderr)
        return 2
    for line in lines:
        print(f"{line.file} from {line.module} {line.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
