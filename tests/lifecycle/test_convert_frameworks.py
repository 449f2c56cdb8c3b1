"""Each library's models: converted, the answers as the original's, and refused where a converter falls short."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from ops.models.describe import describe
from ops.models.frameworks.child import convert
from ops.models.frameworks.job import Converted, RowsFrom
from ops.models.frameworks.kinds import Kind
from ops.models.frameworks.refusal import NotTaken
from tests.lifecycle.convert_models import BINARY, COLUMNS, NAMES, ROWS, TARGET, THREE, job, pickled

SMALL: dict[str, Any] = {"n_estimators": 10, "num_leaves": 7, "verbose": -1}
WORDS = np.where(BINARY > 0, "yes", "no")
LABELLED = ("label", "probabilities")


def early_stopped() -> Any:
    classifier = xgboost.XGBClassifier(n_estimators=100, early_stopping_rounds=2, max_depth=6)
    classifier.fit(ROWS[:100], BINARY[:100], eval_set=[(ROWS[100:], BINARY[100:])], verbose=False)
    assert classifier.best_iteration + 1 < classifier.get_booster().num_boosted_rounds()
    return classifier


def trained(objective: str, **parameters: Any) -> Any:
    labels = THREE if "num_class" in parameters else BINARY
    return xgboost.train({"objective": objective, **parameters}, xgboost.DMatrix(ROWS, labels), 5)


MODELS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "pipeline": (lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, BINARY), LABELLED),
    "three classes": (lambda: LogisticRegression().fit(ROWS, THREE), LABELLED),
    "labels that are words": (lambda: LogisticRegression().fit(ROWS, WORDS), LABELLED),
    "columns apart": (
        lambda: make_pipeline(
            ColumnTransformer([("scaled", StandardScaler(), [0, 2])], remainder="passthrough"), LogisticRegression()
        ).fit(ROWS, BINARY),
        LABELLED,
    ),
    "regression of large values": (lambda: HistGradientBoostingRegressor(max_iter=20).fit(ROWS, TARGET), ("variable",)),
    "several targets": (lambda: Ridge().fit(ROWS, np.stack([TARGET, -TARGET], axis=1)), ("variable",)),
    "clusters": (lambda: KMeans(3, random_state=0).fit(ROWS), ("label", "scores")),
    "outliers": (lambda: IsolationForest(n_estimators=10, random_state=0).fit(ROWS), ("label", "scores")),
    "no probabilities": (lambda: LinearSVC().fit(ROWS, BINARY), ("label",)),
    "lightgbm": (lambda: lightgbm.LGBMClassifier(**SMALL).fit(ROWS, BINARY), LABELLED),
    "lightgbm words": (lambda: lightgbm.LGBMClassifier(**SMALL).fit(ROWS, WORDS), LABELLED),
    "lightgbm regression": (lambda: lightgbm.LGBMRegressor(**SMALL).fit(ROWS, TARGET), ("variable",)),
    "lightgbm booster": (lambda: lightgbm.LGBMClassifier(**SMALL).fit(ROWS, THREE).booster_, LABELLED),
    "lightgbm pipeline": (
        lambda: make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(**SMALL)).fit(ROWS, BINARY),
        LABELLED,
    ),
    "xgboost": (lambda: xgboost.XGBClassifier(n_estimators=10).fit(ROWS, THREE), LABELLED),
    "xgboost regression": (lambda: xgboost.XGBRegressor(n_estimators=10).fit(ROWS, TARGET), ("variable",)),
    "xgboost stopped early": (early_stopped, LABELLED),
    "xgboost booster": (lambda: trained("binary:logistic"), LABELLED),
    "xgboost softmax": (lambda: trained("multi:softmax", num_class=3), LABELLED),
    "xgboost pipeline": (
        lambda: make_pipeline(StandardScaler(), xgboost.XGBRegressor(n_estimators=10)).fit(ROWS, TARGET),
        ("variable",),
    ),
}


def sample_file(folder: Path) -> Path:
    np.save(folder / "rows.npy", ROWS)
    return folder / "rows.npy"


def done(path: Path, kind: Kind = Kind.PICKLE, **fields: Any) -> Converted:
    return convert(job(path, kind, sample=str(sample_file(path.parent)), **fields), path.parent / "out.onnx")


def refused(path: Path, kind: Kind = Kind.PICKLE, **fields: Any) -> str:
    with pytest.raises(NotTaken) as caught:
        convert(job(path, kind, **fields), path.parent / "out.onnx")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_a_converted_model_answers_as_the_original(tmp_path: Path, name: str) -> None:
    make, outputs = MODELS[name]
    model = make()
    converted = done(pickled(model, tmp_path / "m.pkl"))
    assert converted.comparison.outputs == outputs
    assert (converted.comparison.rows, converted.comparison.rows_from) == (len(ROWS), RowsFrom.SAMPLE)
    assert converted.comparison.undecided == 0
    described = describe(tmp_path / "out.onnx")
    assert [(spec.name, spec.shape) for spec in described.inputs] == [("features", (-1, COLUMNS))]
    answers = described.answers({"features": ROWS})
    # Asked of the library itself, not through the part that is tested.
    if isinstance(model, xgboost.Booster):
        predicted = model.predict(xgboost.DMatrix(ROWS))
        expected = predicted if predicted.max() > 1 else (predicted > 0.5).astype(int)
    elif isinstance(model, lightgbm.Booster):
        expected = cast(Any, model.predict(ROWS)).argmax(axis=1)
    else:
        # As the library computes by itself, except for what it fitted on single precision.
        expected = model.predict(ROWS if name == "clusters" else ROWS.astype(np.float64))
    answer = answers[outputs[0]].reshape(np.shape(expected))
    if outputs[0] == "label":
        assert answer.tolist() == list(expected)
    else:
        assert np.allclose(answer, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_a_lightgbm_model_file_is_read(tmp_path: Path) -> None:
    lightgbm.LGBMClassifier(**SMALL).fit(ROWS, BINARY, feature_name=list(NAMES)).booster_.save_model(tmp_path / "m.txt")
    converted = done(tmp_path / "m.txt", Kind.LIGHTGBM)
    assert converted.framework == f"lightgbm {lightgbm.__version__}"
    assert converted.feature_names == NAMES
    assert converted.comparison.outputs == LABELLED


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_an_xgboost_model_file_is_read(tmp_path: Path, suffix: str) -> None:
    matrix = xgboost.DMatrix(ROWS, BINARY, feature_names=list(NAMES))
    path = tmp_path / f"m.{suffix}"
    xgboost.train({"objective": "binary:logistic"}, matrix, 5).save_model(path)
    converted = done(path, Kind.XGBOOST)
    assert converted.framework == f"xgboost {xgboost.__version__}"
    assert converted.feature_names == NAMES


def test_names_that_a_library_made_up_are_no_feature_names(tmp_path: Path) -> None:
    for model in (lightgbm.LGBMRegressor(**SMALL), xgboost.XGBRegressor(n_estimators=3), Ridge()):
        assert done(pickled(cast(Any, model).fit(ROWS, TARGET), tmp_path / "m.pkl")).feature_names is None


def test_feature_names_in_another_order_than_trained_with_are_refused(tmp_path: Path) -> None:
    model = lightgbm.LGBMRegressor(**SMALL).fit(ROWS, TARGET, feature_name=list(NAMES))
    path = pickled(model, tmp_path / "m.pkl")
    assert done(path, feature_names=NAMES).feature_names == NAMES
    assert "not those that m.pkl was trained with" in refused(path, feature_names=NAMES[::-1])


def test_columns_that_were_chosen_by_name_are_found_by_their_place(tmp_path: Path) -> None:
    chosen = make_pipeline(
        ColumnTransformer([("scaled", StandardScaler(), [2, 0]), ("one", "passthrough", [3])]), LogisticRegression()
    ).fit(ROWS, BINARY)
    # As a fit on a table with these headings leaves it.
    columns = chosen[0]
    columns.feature_names_in_ = np.array(NAMES, dtype=object)
    columns.transformers_ = [
        (name, step, [NAMES[place] for place in places])
        for name, step, places in columns.transformers_
        if step != "drop"
    ]
    path = pickled(chosen, tmp_path / "m.pkl")
    converted = done(path)
    assert converted.feature_names == NAMES
    answers = describe(tmp_path / "out.onnx").answers({"features": ROWS})
    plain = make_pipeline(
        ColumnTransformer([("scaled", StandardScaler(), [2, 0]), ("one", "passthrough", [3])]), LogisticRegression()
    ).fit(ROWS, BINARY)
    assert answers["label"].tolist() == plain.predict(ROWS).tolist()


def test_a_booster_inside_a_pipeline_may_know_names(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=10)).fit(ROWS, BINARY)
    expected = model.predict(ROWS.astype(np.float64))
    # As a scaler that returns tables leaves it.
    model[-1].get_booster().feature_names = list(NAMES)
    done(pickled(model, tmp_path / "m.pkl"))
    assert describe(tmp_path / "out.onnx").answers({"features": ROWS})["label"].tolist() == expected.tolist()


def test_labels_may_differ_only_where_the_original_is_undecided(tmp_path: Path) -> None:
    forest = RandomForestClassifier(20, random_state=0).fit(ROWS, BINARY)
    rows = np.random.default_rng(3).standard_normal((300, COLUMNS)).astype(np.float32)
    np.save(tmp_path / "s.npy", rows)
    path = pickled(forest, tmp_path / "m.pkl")
    converted = convert(job(path, sample=str(tmp_path / "s.npy")), tmp_path / "out.onnx")
    differ = describe(tmp_path / "out.onnx").answers({"features": rows})["label"] != forest.predict(rows)
    assert converted.comparison.undecided == int(differ.sum()) > 0
    assert (forest.predict_proba(rows)[differ] == 0.5).all()


def test_made_up_rows_are_compared_where_there_is_no_sample(tmp_path: Path) -> None:
    path = pickled(Ridge().fit(ROWS, TARGET), tmp_path / "m.pkl")
    comparison = convert(job(path), tmp_path / "out.onnx").comparison
    assert (comparison.rows, comparison.rows_from) == (64, RowsFrom.MADE_UP)


UNFITTED = {
    "scikit-learn": LogisticRegression,
    "lightgbm": lightgbm.LGBMClassifier,
    "xgboost": xgboost.XGBClassifier,
}


@pytest.mark.parametrize("name", UNFITTED)
def test_a_model_that_was_not_trained_is_refused(tmp_path: Path, name: str) -> None:
    assert "fit it" in refused(pickled(UNFITTED[name](), tmp_path / "m.pkl"))


def test_an_estimator_without_a_converter_is_refused_by_name(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(np.tanh), LogisticRegression()).fit(ROWS, BINARY)
    said = refused(pickled(model, tmp_path / "m.pkl"))
    assert "no converter from scikit-learn to ONNX" in said
    assert "FunctionTransformer" in said


def test_a_converter_that_renders_another_model_is_caught_by_its_answers(tmp_path: Path) -> None:
    # onnxmltools does not write how LightGBM makes probabilities of one model for each class.
    model = lightgbm.LGBMClassifier(objective="multiclassova", **SMALL).fit(ROWS, THREE)
    said = refused(pickled(model, tmp_path / "m.pkl"))
    assert "differs from the original on 64 of 64 made-up rows, by up to 0." in said


def test_text_columns_are_refused_with_the_way_out(tmp_path: Path) -> None:
    encoded = ColumnTransformer([("city", OneHotEncoder(), [0]), ("age", StandardScaler(), [1])])
    table = np.array([["Bern", 1.0], ["Rome", 2.0], ["Bern", 4.0]], dtype=object)
    model = make_pipeline(encoded, LogisticRegression()).fit(table, [0, 1, 1])
    assert "takes text columns" in refused(pickled(model, tmp_path / "m.pkl"))
    vectors = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["alpha beta", "gamma"], [0, 1])
    assert "takes text" in refused(pickled(vectors, tmp_path / "m.pkl"))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    assert "holds a builtins.dict" in refused(pickled({"a": 1}, tmp_path / "m.pkl"))
    (tmp_path / "m.pkl").write_bytes(b"no pickle at all")
    assert "no pickle that opens here" in refused(tmp_path / "m.pkl")
    (tmp_path / "m.pkl").write_bytes(b"cacme_models\nNet\n.")
    assert "needs the module acme_models" in refused(tmp_path / "m.pkl")


@pytest.mark.parametrize(
    ("name", "kind"), [("m.txt", Kind.LIGHTGBM), ("m.json", Kind.XGBOOST), ("m.ubj", Kind.XGBOOST)]
)
def test_a_damaged_model_file_is_refused(tmp_path: Path, name: str, kind: Kind) -> None:
    (tmp_path / name).write_bytes(b'{"not": "a model"}')
    assert f"{name} is no" in refused(tmp_path / name, kind)


def test_a_framework_that_the_pickle_does_not_hold_is_refused(tmp_path: Path) -> None:
    path = pickled(Ridge().fit(ROWS, TARGET), tmp_path / "m.pkl")
    assert "of scikit-learn, not of xgboost" in refused(path, framework="xgboost")
    assert done(path, framework="scikit-learn").framework.startswith("scikit-learn ")


def test_rows_that_the_original_cannot_answer_are_refused_without_their_values(tmp_path: Path) -> None:
    model = make_pipeline(OneHotEncoder(sparse_output=False), LogisticRegression())
    path = pickled(model.fit(ROWS.round(), BINARY), tmp_path / "m.pkl")
    assert "give a sample of rows that it takes" in refused(path)
    (tmp_path / "rows.csv").write_text("4711,4711,4711,4711\n")
    said = refused(path, sample=str(tmp_path / "rows.csv"))
    assert "correct the sample" in said
    assert "4711" not in said


@pytest.mark.parametrize("package", ["lightgbm", "xgboost", "sklearn", "joblib", "skl2onnx", "onnxmltools"])
def test_a_library_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    if package == "xgboost":
        trained("binary:logistic").save_model(tmp_path / "m.json")
        path, kind = tmp_path / "m.json", Kind.XGBOOST
    elif package in ("lightgbm", "onnxmltools"):
        lightgbm.LGBMRegressor(**SMALL).fit(ROWS, TARGET).booster_.save_model(tmp_path / "m.txt")
        path, kind = tmp_path / "m.txt", Kind.LIGHTGBM
    else:
        path, kind = pickled(Ridge().fit(ROWS, TARGET), tmp_path / "m.pkl"), Kind.PICKLE
    monkeypatch.setitem(sys.modules, package, None)
    said = refused(path, kind)
    assert "install serveml with its extra 'convert'" in said
    assert ("scikit-learn" if package == "sklearn" else package) in said
