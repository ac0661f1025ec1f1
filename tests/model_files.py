"""Small models of every kind that there is a server for, written to files."""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

GENERATOR = np.random.default_rng(7)
FEATURES = GENERATOR.normal(size=(60, 4))
LABELS = (FEATURES @ [1.0, -2.0, 0.5, 1.5] > 0).astype(int) + (FEATURES[:, 0] > 1)
ROWS: list[list[float]] = FEATURES[:3].round(6).tolist()
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]


def library(name: str) -> Any:
    """A library without types."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def sklearn_model(**given: Any) -> Any:
    model = library("sklearn.linear_model").LogisticRegression(**given)
    return model.fit(FEATURES, LABELS)


def dump(model: Any, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    library("joblib").dump(model, file)
    return file


def xgboost_model(names: list[str] | None = None, **given: Any) -> Any:
    xgboost = library("xgboost")
    parameters = {"objective": "multi:softprob", "num_class": 3, "nthread": 1, **given}
    return xgboost.train(parameters, xgboost.DMatrix(FEATURES, LABELS, feature_names=names), 3)


def save_xgboost(file: Path, names: list[str] | None = None, **given: Any) -> Any:
    file.parent.mkdir(parents=True, exist_ok=True)
    booster = xgboost_model(names, **given)
    # By the suffix the library knows two formats; the content of a .bst may be either.
    file.write_bytes(booster.save_raw("json" if file.suffix == ".json" else "ubj"))
    return booster


def save_lightgbm(file: Path) -> Any:
    lightgbm = library("lightgbm")
    file.parent.mkdir(parents=True, exist_ok=True)
    given = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "min_data_in_leaf": 5, "num_threads": 1}
    booster = lightgbm.train(given, lightgbm.Dataset(FEATURES, LABELS), 3)
    booster.save_model(str(file))
    return booster


def save_onnx(file: Path, model: Any = None, zipmap: bool = False) -> Any:
    """A model of scikit-learn as an ONNX graph: two outputs, label and probabilities."""
    model = model or sklearn_model()
    skl2onnx = library("skl2onnx")
    types = library("skl2onnx.common.data_types")
    file.parent.mkdir(parents=True, exist_ok=True)
    options = {id(model): {"zipmap": zipmap}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = skl2onnx.convert_sklearn(
            model, initial_types=[("X", types.FloatTensorType([None, 4]))], options=options, target_opset=17
        )
    file.write_bytes(graph.SerializeToString())
    return model


def save_onnx_of_two_inputs(file: Path) -> None:
    """Two columns `a` and `b`, and their sum and difference."""
    helper, types = library("onnx.helper"), library("onnx").TensorProto
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: helper.make_tensor_value_info(name, types.FLOAT, ["n", 1]) for name in ("a", "b", "sum", "gap")}
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["gap"])]
    graph = helper.make_graph(nodes, "g", [tensors["a"], tensors["b"]], [tensors["sum"], tensors["gap"]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(model.SerializeToString())


def save_mlflow(folder: Path, columns: bool = True) -> Any:
    """A model of scikit-learn as MLflow keeps it: with a signature of columns, or without any."""
    library("mlflow")
    flavour, models, pandas = library("mlflow.sklearn"), library("mlflow.models"), library("pandas")
    frame = pandas.DataFrame(FEATURES, columns=NAMES)
    model = library("sklearn.linear_model").LogisticRegression().fit(frame, LABELS)
    signature = None
    if columns:
        signature = models.infer_signature(frame, model.predict(frame))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flavour.save_model(
            model, str(folder), signature=signature, pip_requirements=[], serialization_format="cloudpickle"
        )
    return model


def document(implementation: str, uri: Path | str, parameters: dict[str, Any] | None = None, **more: Any) -> str:
    """A graph of one unit, as YAML text."""
    types = {str: "STRING", int: "INT"}
    given = [{"name": n, "value": str(v), "type": types[type(v)]} for n, v in (parameters or {}).items()]
    unit = {"name": "m", "implementation": implementation, "modelUri": str(uri), "parameters": given, **more}
    return json.dumps(unit)
