"""A small real model to try the platform with: breast-cancer diagnosis, 30 features, gradient boosting, as ONNX.

The data set is public and comes with scikit-learn: "Breast Cancer Wisconsin (Diagnostic)" of the UCI repository.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import onnxruntime
import skl2onnx
import sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn import model_selection
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

from contract.metadata import ModelMetadata, Sample, TensorSpec
from contract.objects import Version

NAME = "breast-cancer"
SEED = 7
HOLDOUT_FRACTION = 0.2
ITERATIONS = 60
SAMPLE_ROWS = 5
# Fixed, so that a newer converter does not write operators that the server's ONNX Runtime may not know yet.
TARGET_OPSET = 17
INPUT = "features"


@dataclass(frozen=True, kw_only=True)
class DemoModel:
    """A trained model, ready to publish, with rows that it has not seen."""

    onnx: bytes
    metadata: ModelMetadata
    holdout_rows: list[list[float]]
    holdout_labels: list[int]
    accuracy: float


def train(
    version: Version, *, name: str = NAME, iterations: int = ITERATIONS, created_at: datetime | None = None
) -> DemoModel:
    """Train, convert and measure. The same arguments give the same bytes; `created_at` is now unless given."""
    data = cast(Any, load_breast_cancer())
    # The server takes single precision, so the thresholds are learnt on what it will compare.
    rows, labels = data.data.astype(np.float32), data.target
    train_rows, holdout_rows, train_labels, holdout_labels = cast(Any, model_selection).train_test_split(
        rows, labels, test_size=HOLDOUT_FRACTION, random_state=SEED, stratify=labels
    )
    classifier = cast(Any, HistGradientBoostingClassifier(max_iter=iterations, random_state=SEED))
    classifier.fit(train_rows, train_labels)
    onnx = _convert(classifier, columns=rows.shape[1], name=name)
    answers = _answers(onnx, holdout_rows)
    accuracy = float((answers["label"] == holdout_labels).mean())
    metadata = ModelMetadata(
        name=name,
        version=version,
        created_at=created_at or datetime.now(UTC),
        framework=f"scikit-learn {sklearn.__version__}",
        dataset_version=f"sklearn-{sklearn.__version__}",
        inputs=(TensorSpec(name=INPUT, datatype="FP32", shape=(-1, rows.shape[1])),),
        outputs=(
            TensorSpec(name="label", datatype="INT64", shape=(-1,)),
            TensorSpec(name="probabilities", datatype="FP32", shape=(-1, len(data.target_names))),
        ),
        feature_names=tuple(str(feature) for feature in data.feature_names),
        metrics={"accuracy": accuracy},
        sample=Sample(
            inputs={INPUT: holdout_rows[:SAMPLE_ROWS].tolist()},
            outputs={output: values[:SAMPLE_ROWS].tolist() for output, values in answers.items()},
        ),
    )
    return DemoModel(
        onnx=onnx,
        metadata=metadata,
        holdout_rows=holdout_rows.tolist(),
        holdout_labels=holdout_labels.tolist(),
        accuracy=accuracy,
    )


def _convert(classifier: Any, *, columns: int, name: str) -> bytes:
    # Without zipmap the probabilities are one array, not a list of dictionaries.
    graph = cast(Any, skl2onnx).convert_sklearn(
        classifier,
        name=name,
        initial_types=[(INPUT, FloatTensorType([None, columns]))],
        options={"zipmap": False},
        target_opset=TARGET_OPSET,
    )
    return graph.SerializeToString()


def _answers(onnx: bytes, rows: Any) -> dict[str, Any]:
    session = cast(Any, onnxruntime).InferenceSession(onnx, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {INPUT: rows}), strict=True))
