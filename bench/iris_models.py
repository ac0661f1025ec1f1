"""The iris model as a file of each library that there is a server for."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parent.parent / "examples" / "iris" / "train.py"


def sklearn(folder: Path) -> Path:
    """The very estimator that the peers serve."""
    import joblib

    file = folder / "sklearn.joblib"
    joblib.dump(_logistic_regression(), file)
    return file


def xgboost(folder: Path) -> Path:
    """The booster of the example: 20 rounds of three trees, three levels deep."""
    spec = importlib.util.spec_from_file_location("train", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    file = folder / "xgboost.json"
    example.train(file)
    return file


def lightgbm(folder: Path) -> Path:
    """As many trees as the booster of XGBoost, and as deep."""
    import lightgbm as library

    parameters = {"objective": "multiclass", "num_class": 3, "max_depth": 3, "num_threads": 1, "verbosity": -1}
    booster = library.train(parameters, library.Dataset(*_data()), 20)
    file = folder / "lightgbm.txt"
    booster.save_model(str(file))
    return file


def onnx(folder: Path) -> Path:
    """The estimator of scikit-learn, converted."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    model = _logistic_regression()
    inputs = [("x", FloatTensorType([None, 4]))]
    graph = skl2onnx.convert_sklearn(model, initial_types=inputs, options={id(model): {"zipmap": False}})
    file = folder / "iris.onnx"
    file.write_bytes(graph.SerializeToString())
    return file


MAKERS: dict[str, Callable[[Path], Path]] = {
    "SKLEARN_SERVER": sklearn,
    "XGBOOST_SERVER": xgboost,
    "LIGHTGBM_SERVER": lightgbm,
    "ONNX_SERVER": onnx,
}


def _logistic_regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=500).fit(*_data())


def _data() -> tuple[Any, Any]:
    from sklearn.datasets import load_iris

    sizes, species = load_iris(return_X_y=True)
    return sizes, species
