"""What a publisher says of a version beside its file, checked and joined to what `ops.models.convert` makes of that."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contract import metadata as documents
from contract import variants as shapes
from contract.metadata import InvalidMetadata, ModelMetadata
from contract.objects import Version
from contract.variants import PRECISIONS, InvalidVariants, Variant
from ops.models.convert import Limits, Preparation, Prepared, prepare
from ops.models.publish import PublishRefused

_GIT_SECONDS = 10


class BadDescription(PublishRefused):
    """What was said of the version does not fit together; the message says what to say."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """By the publisher, of a file that is described by the options rather than by a metadata document."""

    framework: str | None = None
    sample: Path | None = None
    sample_in_metadata: bool = True
    trust_pickle: bool = False
    feature_names: tuple[str, ...] | None = None
    dataset_version: str | None = None
    git_sha: str | None = None
    metrics: Mapping[str, float] | None = None
    tolerances: Mapping[str, float] | None = None
    """By the name of a variant."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What `publish` takes."""

    onnx: Path
    metadata: ModelMetadata
    preparation: Preparation | None


def pairs(given: Iterable[str], option: str, example: str) -> dict[str, str]:
    """`name=value` as it was said; raise BadDescription."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise BadDescription(f"{option} {text!r:.80} is not NAME=VALUE: write it such as {example}")
        if name in found:
            raise BadDescription(f"{option} names {name!r:.40} twice: say it once")
        found[name] = value
    return found


def numbers(given: Iterable[str], option: str, example: str) -> dict[str, float]:
    """Raise BadDescription unless every value is a finite number."""
    found: dict[str, float] = {}
    for name, text in pairs(given, option, example).items():
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = math.nan
        if not math.isfinite(found[name]):
            raise BadDescription(f"{option} gives {name!r:.40} the value {text!r:.40}, which is no number: {example}")
    return found


def described(
    path: Path,
    work: Path,
    name: str,
    version: Version,
    said: Said,
    variants: Iterable[str],
    limits: Limits | None = None,
) -> Ready:
    """The file with metadata made from it and from what was said; raise PublishRefused."""
    listed = _listed(variants, said.tolerances or {})
    prepared: Prepared = prepare(
        path,
        work,
        name=name,
        version=version,
        framework=said.framework,
        sample=said.sample,
        sample_in_metadata=said.sample_in_metadata,
        trust_pickle=said.trust_pickle,
        feature_names=said.feature_names,
        dataset_version=said.dataset_version,
        git_sha=said.git_sha or revision_of(path),
        metrics=said.metrics,
        limits=limits,
    )
    return Ready(onnx=prepared.onnx, metadata=replace(prepared.metadata, variants=listed), preparation=prepared.report)


def documented(path: Path, document: Path, contradicting: Sequence[str]) -> Ready:
    """An ONNX file with metadata that were written elsewhere, by which alone it is described; raise PublishRefused."""
    if contradicting:
        raise BadDescription(f"--metadata describes the version already: leave out {', '.join(contradicting)}")
    if path.suffix.lower() != ".onnx":
        raise BadDescription(
            f"--metadata describes an ONNX model, {path.name} is to be converted: leave --metadata out"
        )
    try:
        return Ready(onnx=path, metadata=documents.parse(document.read_bytes()), preparation=None)
    except OSError as error:
        raise BadDescription(f"--metadata {document} cannot be read: {error.strerror}") from None
    except InvalidMetadata as error:
        raise BadDescription(f"--metadata {document}: {error}") from None


def revision_of(path: Path) -> str | None:
    """The git commit that is checked out where the file lies; None outside a repository, or without git."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            cwd=path.resolve().parent,
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.decode().strip() if asked.returncode == 0 else None


def _listed(names: Iterable[str], tolerances: Mapping[str, float]) -> tuple[Variant, ...]:
    """Variants that are named for their precision; raise BadDescription."""
    found = list(names)
    for name in found:
        if name not in PRECISIONS:
            raise BadDescription(
                f"--variant {name!r:.40} is no precision: name it {', '.join(PRECISIONS)}, or describe it in --metadata"
            )
    for name in tolerances:
        if name not in found:
            raise BadDescription(f"--tolerance names {name!r:.40}, for which there is no --variant: give both")
    try:
        return shapes.parse(
            [
                {"name": name, "file": f"model.{name}.onnx", "precision": name}
                | ({"tolerance": tolerances[name]} if name in tolerances else {})
                for name in found
            ]
        )
    except InvalidVariants as error:
        raise BadDescription(str(error)) from None
