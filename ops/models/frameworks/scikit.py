"""scikit-learn's estimators and pipelines, also those that end in a LightGBM or XGBoost estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np

from ops.models.frameworks import boosters
from ops.models.frameworks.kinds import SCIKIT_LEARN
from ops.models.frameworks.original import INPUT, names_or_none
from ops.models.frameworks.refusal import NotTaken, library
from serving.model import Array

# Fixed, so that a newer converter does not write operators that the server's ONNX Runtime may not know yet.
OPSET = 17
_ML_OPSET = 3
# Those whose converter can be told to compute in double precision, as they do themselves.
_SCALERS = ("StandardScaler", "RobustScaler")
_LABELS_ALONE = "the classifier knows no probabilities: it is published with its labels alone"


class ScikitModel:
    """An estimator that was fitted, with numbers in all of its columns."""

    framework = SCIKIT_LEARN

    def __init__(self, estimator: Any) -> None:
        sklearn = library("sklearn", "scikit-learn")
        self.version: str = sklearn.__version__
        self._estimator = estimator
        self._classifies: bool = library("sklearn.base").is_classifier(estimator)
        self._methods = _methods(estimator, self._classifies)
        self.notes: tuple[str, ...] = (_LABELS_ALONE,) if self._classifies and len(self._methods) == 1 else ()
        self.columns = _columns(estimator)
        _number_columns(_parts(estimator))
        self.feature_names = names_or_none(getattr(estimator, "feature_names_in_", None), self.columns, "x")

    def to_onnx(self, name: str) -> Any:
        skl2onnx = library("skl2onnx")
        parts = _parts(self._estimator)
        boosters.register(skl2onnx, parts)
        boosted = any(boosters.library_of(part) for part in parts)
        types = library("skl2onnx.common.data_types")
        convert: Callable[..., Any] = partial(
            skl2onnx.convert_sklearn,
            self._estimator,
            name=name,
            initial_types=[(INPUT, types.FloatTensorType([None, self.columns]))],
            target_opset={"": boosters.OPSET if boosted else OPSET, "ai.onnx.ml": _ML_OPSET},
        )
        # Trees behind a scaler split at values that they were shown: one bit less, and a row goes the other way.
        exact = {id(part): {"div": "div_cast"} for part in parts if type(part).__name__ in _SCALERS}
        if not self._classifies:
            return convert(options=exact)
        try:
            # Without zipmap the probabilities are one array, not a list of dictionaries.
            model = convert(options={id(self._estimator): {"zipmap": False}, **exact})
        except NameError:
            # What the converter raises for an estimator that knows no zipmap: it returns an array anyway.
            model = convert(options=exact)
        # Scores of a classifier that knows no probabilities would be called so.
        del model.graph.output[len(self._methods) :]
        return model

    def answers(self, rows: Array) -> Sequence[Array]:
        asked = [getattr(self._estimator, method) for method in self._methods]
        try:
            # Rows of single precision, computed as exactly as the original does.
            return [np.asarray(ask(rows.astype(np.float64))) for ask in asked]
        except ValueError:
            # What was fitted on single precision may take no other.
            return [np.asarray(ask(rows)) for ask in asked]


def _methods(estimator: Any, classifies: bool) -> list[str]:
    """What the outputs are called in scikit-learn: the prediction, and how sure it is, said in one way."""
    methods = ("predict", "predict_proba") if classifies else ("predict", "decision_function", "transform")
    return [method for method in methods if hasattr(estimator, method)][:2]


def _columns(estimator: Any) -> int:
    columns = getattr(estimator, "n_features_in_", None)
    if not isinstance(columns, int):
        raise NotTaken(
            f"the {type(estimator).__name__} does not say how many columns it takes, it was not fitted or takes text: "
            "fit it on an array of numbers, or convert it with skl2onnx where it was trained and publish the .onnx"
        )
    if any(_takes_text(part) for part in _parts(estimator)):
        raise NotTaken(
            f"the {type(estimator).__name__} takes text columns, which have no place in an array of numbers: convert "
            "it with skl2onnx, an input for each column, where it was trained, and publish the .onnx"
        )
    return columns


def _number_columns(parts: Sequence[Any]) -> None:
    """Let what was fitted on a table take an array: the converter finds a column by its place alone."""
    for part in parts:
        names = list(cast(Sequence[str], getattr(part, "feature_names_in_", ())))
        chosen = _listed(part, "transformers_")
        if names and chosen:
            part.transformers_ = [(name, step, _numbers(columns, names)) for name, step, columns in chosen]


def _numbers(columns: Any, names: Sequence[str]) -> Any:
    if isinstance(columns, str):
        return names.index(columns)
    if isinstance(columns, slice):
        return cast(Any, columns)
    listed = list(columns)
    named = all(isinstance(column, str) for column in listed)
    return [names.index(column) for column in listed] if named else listed


def _takes_text(part: Any) -> bool:
    """Whether an encoder or imputer was fitted on something else than numbers."""
    learnt = [*_listed(part, "categories_"), getattr(part, "statistics_", None)]
    return any(np.asarray(values).dtype.kind in "OUS" for values in learnt if values is not None)


def _listed(part: Any, attribute: str) -> list[Any]:
    values = getattr(part, attribute, None)
    return list(cast(Sequence[Any], values)) if isinstance(values, list | tuple) else []


def _parts(estimator: Any) -> list[Any]:
    """The estimator and the fitted ones inside it."""
    inside: list[Any] = []
    for _, part in _listed(estimator, "steps"):
        inside += _parts(part)
    for _, part, *_ in [*_listed(estimator, "transformers_"), *_listed(estimator, "transformer_list")]:
        inside += _parts(part)
    for part in _listed(estimator, "estimators_"):
        inside.append(part)
    return [estimator, *inside]
