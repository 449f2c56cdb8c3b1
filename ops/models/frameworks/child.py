"""The process that opens somebody's model file, converts it and compares: run with the folder that it may write to.

It may be subverted by what it opens, so whoever started it believes only the files that it leaves.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import sys
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec

from ops.models import sample
from ops.models.describe import describe
from ops.models.frameworks import agreement, boosters, onnx_files
from ops.models.frameworks.boosters import LightgbmModel, XgboostModel
from ops.models.frameworks.job import (
    CONVERTED_FILE,
    JOB_FILE,
    OUTCOME_FILE,
    Comparison,
    Converted,
    Job,
    Limits,
    NotConverted,
    Outcome,
    RowsFrom,
)
from ops.models.frameworks.kinds import FRAMEWORKS, LIGHTGBM, SCIKIT_LEARN, XGBOOST, Kind
from ops.models.frameworks.original import Original
from ops.models.frameworks.refusal import NotTaken, in_one_line, library
from ops.models.frameworks.scikit import ScikitModel

_PACKAGES = {"sklearn": SCIKIT_LEARN, LIGHTGBM: LIGHTGBM, XGBOOST: XGBOOST}
"""The libraries whose models are taken, by the name under which a pickle asks for them."""


def main(folder: Path) -> None:
    """Do the job that lies in the folder and leave its outcome there."""
    job = msgspec.json.decode((folder / JOB_FILE).read_bytes(), type=Job)
    restrict(job.limits)
    logging.disable()
    outcome: Outcome
    try:
        outcome = convert(job, folder / CONVERTED_FILE)
    except NotTaken as error:
        outcome = NotConverted(message=str(error))
    except MemoryError:
        outcome = NotConverted(
            message=f"{job.title} needs more memory than {job.limits.memory_mib} MiB to convert: allow more"
        )
    (folder / OUTCOME_FILE).write_bytes(msgspec.json.encode(outcome))


def restrict(limits: Limits) -> None:
    """Bound what this process takes from now on; limits that the system does not know are left out."""
    bounds = {
        resource.RLIMIT_CPU: limits.seconds,
        resource.RLIMIT_AS: limits.memory_mib << 20,
        resource.RLIMIT_FSIZE: onnx_files.MAX_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, bound))


def convert(job: Job, target: Path) -> Converted:
    """Open, convert and compare; raise NotTaken."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        original = _opened(job)
    notes = [note for warning in warned if (note := _note(warning.message)) is not None]
    if job.framework not in (None, original.framework):
        raise NotTaken(f"{job.title} holds a model of {original.framework}, not of {job.framework}")
    names = _names(job, original)
    with _quietly():
        with _said_of(job, original):
            model = original.to_onnx(job.name)
        target.write_bytes(onnx_files.plain(model, job.name))
        comparison = _compared(job, original, target, names)
    return Converted(
        framework=f"{original.framework} {original.version}",
        feature_names=names,
        comparison=comparison,
        notes=(*dict.fromkeys(notes), *original.notes),
    )


def _compared(job: Job, original: Original, target: Path, names: tuple[str, ...] | None) -> Comparison:
    described = describe(target)
    (spec,) = described.inputs
    if job.sample is None:
        rows, rows_from = sample.made_up(described.inputs), RowsFrom.MADE_UP
    else:
        rows, rows_from = sample.read(Path(job.sample), described.inputs, names), RowsFrom.SAMPLE
    try:
        originals = original.answers(rows[spec.name])
    except ImportError as error:
        raise NotTaken(
            f"{job.title} needs a library to answer that is not installed here ({in_one_line(error)}): install it, or "
            "convert the model where it was trained and publish the .onnx"
        ) from error
    except Exception as error:
        # Whatever an estimator raises; it may quote the values.
        raise NotTaken(
            f"the original model cannot answer the {rows_from} rows ({type(error).__name__}): "
            + ("give a sample of rows that it takes" if job.sample is None else "correct the sample")
        ) from error
    return agreement.compare(described.outputs, described.answers(rows), originals, rows_from)


def _opened(job: Job) -> Original:
    if job.kind is Kind.LIGHTGBM:
        return LightgbmModel.read(Path(job.file))
    if job.kind is Kind.XGBOOST:
        return XgboostModel.read(Path(job.file))
    model = _unpickled(Path(job.file))
    source = boosters.library_of(model)
    try:
        if source == LIGHTGBM:
            return LightgbmModel(model)
        if source == XGBOOST:
            return XgboostModel(model)
        if hasattr(model, "fit") and hasattr(model, "get_params"):
            return ScikitModel(model)
    except NotTaken:
        raise
    except Exception as error:
        # Above all their errors for a model that was never fitted, which share no base.
        raise NotTaken(
            f"the {in_one_line(type(model).__name__)} in {job.title} is no model that was trained "
            f"({type(error).__name__}): fit it first"
        ) from error
    raise NotTaken(
        f"{job.title} holds a {in_one_line(type(model).__module__ + '.' + type(model).__qualname__)}: "
        f"give a model of {', '.join(FRAMEWORKS)}"
    )


def _unpickled(path: Path) -> Any:
    """This runs code of whoever wrote the file, which is why it happens here."""
    joblib = library("joblib")
    try:
        # Reads plain pickles as well as its own.
        return joblib.load(path)
    except MemoryError:
        raise
    except ModuleNotFoundError as error:
        root = (error.name or "").partition(".")[0]
        if root in _PACKAGES:
            library(root, _PACKAGES[root])
        raise NotTaken(
            f"{path.name} needs the module {in_one_line(error.name)}, which is not installed here: install it, or "
            "convert the model where it was trained and publish the .onnx"
        ) from error
    except Exception as error:
        raise NotTaken(
            f"{path.name} is no pickle that opens here ({type(error).__name__}): give what joblib.dump or pickle.dump "
            "wrote, with the library's version that wrote it"
        ) from error


def _names(job: Job, original: Original) -> tuple[str, ...] | None:
    if job.feature_names is None or original.feature_names is None:
        return job.feature_names or original.feature_names
    if job.feature_names != original.feature_names:
        raise NotTaken(
            f"the feature names given are not those that {job.title} was trained with, in their order: it has "
            f"{len(original.feature_names)}, beginning with {in_one_line(original.feature_names[0])!r}: leave them out"
        )
    return job.feature_names


def _note(warning: Warning | str) -> str | None:
    """What is worth saying of a warning: that the pickle was written by another version, so that it may differ."""
    trained = getattr(warning, "original_sklearn_version", None)
    if trained is None:
        return None
    return f"it was trained with scikit-learn {in_one_line(trained)}, another version than the one that opened it"


@contextlib.contextmanager
def _quietly() -> Generator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _said_of(job: Job, original: Original) -> Generator[None]:
    """A converter's own error as a refusal: they raise everything from KeyError to classes of their own."""
    try:
        yield
    except (NotTaken, MemoryError):
        raise
    except Exception as error:
        raise NotTaken(
            f"{job.title} has something that has no converter from {original.framework} to ONNX "
            f"({type(error).__name__}: {in_one_line(error)}): write one and publish the .onnx, or train with another "
            "estimator"
        ) from error


if __name__ == "__main__":
    main(Path(sys.argv[1]))
