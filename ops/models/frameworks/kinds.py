"""Which kinds of file are taken, told by their names, and what to do about those that are not."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from ops.models.frameworks.refusal import NotTaken


class Kind(StrEnum):
    """How a file is opened; which library made what is in a pickle shows only then."""

    ONNX = "ONNX model"
    PICKLE = "pickle"
    LIGHTGBM = "LightGBM model file"
    XGBOOST = "XGBoost model file"


SCIKIT_LEARN, LIGHTGBM, XGBOOST = "scikit-learn", "lightgbm", "xgboost"
FRAMEWORKS = (SCIKIT_LEARN, LIGHTGBM, XGBOOST)
"""What `framework` may say of a file that is converted."""

_KINDS = {
    ".onnx": Kind.ONNX,
    ".pkl": Kind.PICKLE,
    ".pickle": Kind.PICKLE,
    ".joblib": Kind.PICKLE,
    ".txt": Kind.LIGHTGBM,
    ".json": Kind.XGBOOST,
    ".ubj": Kind.XGBOOST,
}
_MADE_BY = {Kind.LIGHTGBM: LIGHTGBM, Kind.XGBOOST: XGBOOST}
_TORCH = (".pt2", ".pt", ".pth", ".ckpt", ".safetensors")


def kind_of(path: Path) -> Kind:
    """Raise NotTaken for a file that is not there, is empty or ends in nothing that is known."""
    if not path.is_file():
        raise NotTaken(f"there is no file {path}: give the path of a model file")
    suffix = path.suffix.lower()
    if suffix in _TORCH:
        raise NotTaken(
            f"{path.name} is a PyTorch file, which is not converted here (weights alone do not even hold the "
            "computation): call torch.onnx.export(model, (rows,), 'model.onnx', dynamo=True) with a dynamic first "
            "dimension where the model was trained, and publish model.onnx"
        )
    kind = _KINDS.get(suffix)
    if kind is None:
        raise NotTaken(f"{path.name} does not end in a way that is known: give one of {', '.join(_KINDS)}")
    if not path.stat().st_size:
        raise NotTaken(f"{path.name} is empty: give a model file")
    return kind


def check_framework(kind: Kind, framework: str | None) -> None:
    """Raise NotTaken where what was said of the file cannot be; of an ONNX model anything may be said."""
    if framework is None or kind is Kind.ONNX:
        return
    if framework not in FRAMEWORKS:
        raise NotTaken(f"the framework {framework!r:.40} is none of {', '.join(FRAMEWORKS)}: say one, or leave it out")
    if framework != _MADE_BY.get(kind, framework):
        raise NotTaken(
            f"a {kind} is not of {framework}: leave the framework out, or give a file that {framework} wrote"
        )
