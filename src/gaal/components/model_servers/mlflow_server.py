"""MLFLOW_SERVER: folders that MLflow wrote, through their flavour python_function."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gaal.components.model_servers.server import (
    BadFeatures,
    Inputs,
    ModelServer,
    Prediction,
    are_default,
    checked,
    converted,
    imported,
)
from gaal.messages import Array, Json, array_of

logger = logging.getLogger("gaal.components")

MODEL_FILE = "MLmodel"

DTYPES: dict[str, tuple[Any, str]] = {
    "boolean": (np.bool_, "BOOL"),
    "integer": (np.int32, "INT32"),
    "long": (np.int64, "INT64"),
    "float": (np.float32, "FP32"),
    "double": (np.float64, "FP64"),
    "string": (object, "BYTES"),
    "binary": (object, "BYTES"),
    "datetime": ("datetime64[ns]", "BYTES"),
}
"""The types of a column in a signature, as NumPy and as the Open Inference Protocol name them."""


class MLflowServer(ModelServer):
    """`xtype` says what the model gets: ndarray, or DataFrame, whose columns are the names in the request.

    A model whose signature has columns gets a frame with these, in the types of the signature.
    """

    library = "mlflow"
    extra = "mlflow"
    file_names = (MODEL_FILE,)
    suffixes = ()
    parameters: ClassVar[Mapping[str, type]] = {"xtype": str}

    def __init__(self, xtype: str = "ndarray") -> None:
        self._wants_frame = xtype == "DataFrame"

    def load(self, path: Path) -> None:
        pyfunc = imported("mlflow.pyfunc", self.extra)
        self._pandas = imported("pandas", self.extra)
        self._model = pyfunc.load_model(str(path.parent))
        schema = self._model.metadata.get_input_schema()
        self._schema = schema
        self._columns = list(schema.input_names()) if schema is not None and not schema.is_tensor_spec() else []
        n_features = len(schema.inputs) if schema is not None and not schema.is_tensor_spec() else None
        are_plain = n_features is not None and all(_type_name(each) in DTYPES for each in schema.inputs)
        self._types = [DTYPES[_type_name(each)][0] for each in schema.inputs] if are_plain else None
        self.inputs = Inputs(n_features, tuple(map(str, self._columns)), object if self._takes_frames else None)
        exceptions = imported("mlflow.exceptions", self.extra)
        self.refusals = (exceptions.MlflowException, ValueError, TypeError, KeyError)

    @property
    def _takes_frames(self) -> bool:
        return self._wants_frame or self._types is not None

    def prepared(self, features: Any, names: Sequence[str]) -> tuple[Any, Sequence[str]]:
        if self._schema is not None and self._schema.is_tensor_spec():
            return self._tensors(features), ()
        if isinstance(features, np.ndarray) or (self._types is not None and not isinstance(features, dict | list)):
            return checked(features, names, self.inputs)
        return features, names

    def predict(self, features: Any, names: Sequence[str]) -> Prediction:
        return _prediction(self._model.predict(self._as_taken(features, names)), self._pandas)

    def _as_taken(self, features: Any, names: Sequence[str]) -> Any:
        if not isinstance(features, np.ndarray) or not self._takes_frames:
            return features
        columns = list(names) if names and not (self._wants_frame and are_default(names)) else None
        frame = self._pandas.DataFrame(features, columns=columns)
        if self._types is None:
            return frame.infer_objects()
        return self._pandas.DataFrame(
            {column: self._cast(frame[column], each) for column, each in zip(frame.columns, self._types, strict=True)}
        )

    def _cast(self, column: Any, dtype: Any) -> Any:
        """A column in the type of the signature, as far as that is possible without loss."""
        try:
            cast = column.astype(dtype)
        except (TypeError, ValueError) as error:
            raise BadFeatures(f"column {column.name}: expected {np.dtype(dtype).name}, {error}") from None
        is_whole = np.dtype(dtype).kind in "iub"
        if is_whole and not (cast == column).all():
            [first] = column[cast != column][:1]
            raise BadFeatures(f"column {column.name}: expected {np.dtype(dtype).name}, got {first!r}")
        return cast

    def _tensors(self, features: Any) -> Any:
        """Arrays in the types of a signature of tensors: one array, or one for each name."""
        specs = self._schema.inputs
        if isinstance(features, dict):
            wanted = [each.name for each in specs]
            if sorted(features) != sorted(wanted):
                raise BadFeatures(f"expected the inputs {', '.join(wanted)}, got {', '.join(map(str, features))}")
            return {each.name: _tensor(array_of(features[each.name]), each) for each in specs}
        if len(specs) != 1 or not isinstance(features, np.ndarray):
            raise BadFeatures(f"expected an object with {len(specs)} arrays by name, got {type(features).__name__}")
        array = _tensor(features, specs[0])
        return {specs[0].name: array} if specs[0].name else array

    def metadata(self) -> dict[str, Json]:
        described = self._model.metadata
        schemas = (self._schema, described.get_output_schema())
        inputs, outputs = ([_described(each) for each in schema.inputs] if schema else [] for schema in schemas)
        flavours = ", ".join(sorted(described.flavors))
        custom: dict[str, Json] = {"flavors": flavours, "mlflow_version": str(described.mlflow_version or "")}
        return {"platform": "mlflow", "inputs": inputs, "outputs": outputs, "custom": custom}


def _type_name(column: Any) -> str:
    return str(getattr(column.type, "name", column.type))


def _described(spec: Any) -> Json:
    name = str(getattr(spec, "name", None) or "")
    if hasattr(spec, "shape"):
        return {"name": name, "datatype": _datatype(spec.type), "shape": [int(size) for size in spec.shape]}
    return {"name": name, "datatype": DTYPES.get(_type_name(spec), (object, "BYTES"))[1], "shape": [-1]}


def _datatype(dtype: Any) -> str:
    kind, bits = np.dtype(dtype).kind, np.dtype(dtype).itemsize * 8
    return {"f": f"FP{bits}", "i": f"INT{bits}", "u": f"UINT{bits}", "b": "BOOL"}.get(kind, "BYTES")


def _tensor(features: Array, spec: Any) -> Array:
    wanted = tuple(spec.shape)
    fits = len(wanted) == features.ndim and all(
        size in (-1, given) for size, given in zip(wanted, features.shape, strict=False)
    )
    if not fits:
        shown = f"input {spec.name}: " if spec.name else ""
        raise BadFeatures(f"{shown}expected the shape {list(wanted)} (-1 is any), got {list(features.shape)}")
    return converted(features, spec.type.type)


def _prediction(answer: Any, pandas: Any) -> Prediction:
    """What a model of any flavour answers: a frame has named columns."""
    if isinstance(answer, pandas.DataFrame):
        return Prediction(answer.to_numpy(), [str(column) for column in answer.columns])
    if isinstance(answer, pandas.Series):
        return Prediction(answer.to_numpy())
    if isinstance(answer, dict):
        return Prediction(answer)
    return Prediction(answer)
