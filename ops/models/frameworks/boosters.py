"""LightGBM's and XGBoost's models: their own boosters, their scikit-learn estimators, and these inside a pipeline."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ops.models.frameworks.kinds import LIGHTGBM, XGBOOST
from ops.models.frameworks.original import INPUT, labels_of, names_or_none
from ops.models.frameworks.refusal import NotTaken, library
from serving.model import Array

# The newest for which onnxmltools writes.
OPSET = 15


class LightgbmModel:
    """A `Booster`, or an `LGBM...` estimator."""

    framework = LIGHTGBM
    notes: tuple[str, ...] = ()

    def __init__(self, model: Any) -> None:
        lightgbm = library("lightgbm")
        self.version: str = lightgbm.__version__
        self._model = model
        self._is_booster = isinstance(model, lightgbm.Booster)
        booster = model if self._is_booster else model.booster_
        self._objective = str(booster.dump_model(num_iteration=1).get("objective", ""))
        self.columns = int(booster.num_feature())
        self.feature_names = names_or_none(booster.feature_name(), self.columns, "Column_")

    @classmethod
    def read(cls, path: Path) -> LightgbmModel:
        lightgbm = library("lightgbm")
        try:
            return cls(lightgbm.Booster(model_file=str(path)))
        except lightgbm.basic.LightGBMError as error:
            raise NotTaken(f"{path.name} is no LightGBM model file: give what Booster.save_model wrote") from error

    def to_onnx(self, name: str) -> Any:
        types = library("onnxmltools.convert.common.data_types")
        return library("onnxmltools").convert_lightgbm(
            self._model,
            name=name,
            initial_types=[(INPUT, types.FloatTensorType([None, self.columns]))],
            target_opset=OPSET,
            zipmap=False,
        )

    def answers(self, rows: Array) -> Sequence[Array]:
        given = rows.astype(np.float64)
        predicted = np.asarray(self._model.predict(given))
        if hasattr(self._model, "predict_proba"):
            return [predicted, np.asarray(self._model.predict_proba(given))]
        if self._is_booster and self._objective.startswith("binary"):
            predicted = np.stack([1 - predicted, predicted], axis=1)
        if self._is_booster and self._objective.startswith(("binary", "multiclass")):
            return [labels_of(predicted), predicted]
        return [predicted]


class XgboostModel:
    """A `Booster`, or an `XGB...` estimator, of which only the booster counts."""

    framework = XGBOOST
    notes: tuple[str, ...] = ()

    def __init__(self, model: Any) -> None:
        xgboost = library("xgboost")
        self.version: str = xgboost.__version__
        booster = _until_the_best(model if isinstance(model, xgboost.Booster) else model.get_booster())
        self.columns = int(booster.num_features())
        self.feature_names = names_or_none(booster.feature_names, self.columns, "f")
        # The converter knows columns by number alone.
        booster.feature_names = None
        self._estimator = _estimator_of(xgboost, booster)

    @classmethod
    def read(cls, path: Path) -> XgboostModel:
        xgboost = library("xgboost")
        try:
            return cls(xgboost.Booster(model_file=str(path)))
        except xgboost.core.XGBoostError as error:
            raise NotTaken(f"{path.name} is no XGBoost model file: give what Booster.save_model wrote") from error

    def to_onnx(self, name: str) -> Any:
        types = library("onnxmltools.convert.common.data_types")
        return library("onnxmltools").convert_xgboost(
            self._estimator,
            name=name,
            initial_types=[(INPUT, types.FloatTensorType([None, self.columns]))],
            target_opset=OPSET,
        )

    def answers(self, rows: Array) -> Sequence[Array]:
        predicted = np.asarray(self._estimator.predict(rows))
        if hasattr(self._estimator, "predict_proba"):
            return [predicted, np.asarray(self._estimator.predict_proba(rows))]
        return [predicted]


def library_of(model: Any) -> str | None:
    """Which of the two libraries the object's class comes from, or None."""
    root = type(model).__module__.partition(".")[0]
    return root if root in (LIGHTGBM, XGBOOST) else None


def register(skl2onnx: Any, parts: Sequence[Any]) -> None:
    """Let scikit-learn's converter know the boosters' estimators among the parts of a pipeline."""
    shapes = library("skl2onnx.common.shape_calculator")
    for part in parts:
        source = library_of(part)
        if source is None:
            continue
        if source == LIGHTGBM:
            convert = library("onnxmltools.convert.lightgbm.operator_converters.LightGbm").convert_lightgbm
        else:
            # The converter knows columns by number alone.
            part.get_booster().feature_names = None
            convert = library("onnxmltools.convert.xgboost.operator_converters.XGBoost").convert_xgboost
        classifies = hasattr(part, "predict_proba")
        kind = "classifier" if classifies else "regressor"
        skl2onnx.update_registered_converter(
            type(part),
            f"{source.capitalize()}{type(part).__name__}",
            getattr(shapes, f"calculate_linear_{kind}_output_shapes"),
            convert,
            options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if classifies else {"split": None},
        )


def _until_the_best(booster: Any) -> Any:
    """The trees that the library predicts with where training stopped early; the converter would take them all."""
    attributes: dict[str, str] = booster.attributes()
    best = attributes.get("best_iteration")
    return booster if best is None else booster[: int(best) + 1]


def _estimator_of(xgboost: Any, booster: Any) -> Any:
    """The estimator that the booster's objective asks for: the converter would guess it from the trees."""
    objective = str(json.loads(booster.save_config())["learner"]["objective"]["name"])
    classifies = objective.startswith(("binary:", "multi:"))
    if objective == "multi:softmax":
        # The same trees, said as probabilities, which is what the converter writes.
        booster.set_param({"objective": "multi:softprob"})
    # The name of the estimator it once was would not let it become another.
    booster.set_attr(scikit_learn=None, best_iteration=None, best_score=None)
    estimator = xgboost.XGBClassifier() if classifies else xgboost.XGBRegressor()
    estimator.load_model(bytearray(booster.save_raw("ubj")))
    return estimator
