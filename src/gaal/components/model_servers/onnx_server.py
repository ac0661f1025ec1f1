"""ONNX_SERVER: graphs in the ONNX format, run by ONNX Runtime, optimised when they are loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gaal.components.model_servers.cores import n_cores
from gaal.components.model_servers.server import (
    BadFeatures,
    ModelError,
    ModelServer,
    Prediction,
    are_default,
    converted,
    imported,
)
from gaal.messages import Array, Json, array_of

DTYPES: Mapping[str, tuple[type, str]] = {
    "tensor(float)": (np.float32, "FP32"),
    "tensor(double)": (np.float64, "FP64"),
    "tensor(float16)": (np.float16, "FP16"),
    "tensor(int64)": (np.int64, "INT64"),
    "tensor(int32)": (np.int32, "INT32"),
    "tensor(int16)": (np.int16, "INT16"),
    "tensor(int8)": (np.int8, "INT8"),
    "tensor(uint64)": (np.uint64, "UINT64"),
    "tensor(uint32)": (np.uint32, "UINT32"),
    "tensor(uint16)": (np.uint16, "UINT16"),
    "tensor(uint8)": (np.uint8, "UINT8"),
    "tensor(bool)": (np.bool_, "BOOL"),
    "tensor(string)": (object, "BYTES"),
}
"""The types of ONNX, as NumPy and as the Open Inference Protocol name them."""

PROBABILITIES = ("probabilities", "output_probability")
"""What converters call the second output of a classifier; the first one has the labels."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a graph. A dimension that is not fixed is −1."""

    name: str
    dtype: type
    datatype: str
    shape: tuple[int, ...]

    @property
    def described(self) -> Json:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class Fed:
    """Arrays for several inputs, by name, and whether all outputs are wanted."""

    arrays: dict[str, Array]
    wants_all: bool


class OnnxServer(ModelServer):
    """One input takes the array of a request. Several take its columns by their names, or arrays by name in jsonData.

    `output` names the output that is the answer: without it the only one, else the probabilities of a classifier, else
    the first. A request in jsonData gets all outputs. `n_threads` are those of the runtime; without it, the cores.
    """

    library = "onnxruntime"
    extra = "onnx"
    file_names = ("model.onnx",)
    suffixes = (".onnx",)
    parameters: ClassVar[Mapping[str, type]] = {"output": str, "n_threads": int}

    def __init__(self, output: str = "", n_threads: int = 0) -> None:
        self._wanted = output
        self._n_threads = n_threads or n_cores()

    def load(self, path: Path) -> None:
        runtime = imported("onnxruntime", self.extra)
        self._session = runtime.InferenceSession(
            str(path), self._options(runtime), providers=runtime.get_available_providers()
        )
        self._inputs = [_tensor(each, path) for each in self._session.get_inputs()]
        self._outputs = [_tensor(each, path, is_output=True) for each in self._session.get_outputs()]
        self._answer = self._chosen(path)
        kinds = runtime.capi.onnxruntime_pybind11_state
        self.refusals = (kinds.InvalidArgument, kinds.Fail, kinds.RuntimeException, ValueError)

    def _options(self, runtime: Any) -> Any:
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = self._n_threads
        options.inter_op_num_threads = 1
        # Threads that spin while there is nothing to do take the cores from everything else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        return options

    def _chosen(self, path: Path) -> int:
        """The position of the output that is the answer."""
        names = [each.name for each in self._outputs]
        if self._wanted and self._wanted not in names:
            raise ModelError(f"{path}: expected an output {self._wanted}, got {', '.join(names)}")
        wanted = (self._wanted,) if self._wanted else PROBABILITIES
        return next((names.index(name) for name in wanted if name in names), 0)

    @property
    def is_row_wise(self) -> bool:
        """Graphs with a fixed number of rows take no other, and several inputs come in no single array."""
        tensors = (*self._inputs, self._outputs[self._answer])
        return len(self._inputs) == 1 and all(each.shape[:1] in ((-1,), ()) for each in tensors)

    def prepared(self, features: Any, names: Sequence[str]) -> tuple[Any, Sequence[str]]:
        if isinstance(features, dict):
            return Fed(self._by_name(features), wants_all=True), ()
        if not isinstance(features, np.ndarray):
            raise BadFeatures(f"expected an array, or an object of arrays by name, got {type(features).__name__}")
        if len(self._inputs) == 1:
            return _fitted(features, self._inputs[0]), ()
        return Fed(self._by_column(features, names), wants_all=False), ()

    def predict(self, features: Any, names: Sequence[str]) -> Prediction:
        if not isinstance(features, Fed):
            features = Fed({self._inputs[0].name: features}, wants_all=False)
        if features.wants_all:
            outputs = self._session.run(None, features.arrays)
            return Prediction({each.name: value for each, value in zip(self._outputs, outputs, strict=True)})
        [answer] = self._session.run([self._outputs[self._answer].name], features.arrays)
        return _prediction(answer)

    def _by_name(self, given: Mapping[str, Any]) -> dict[str, Array]:
        self._check_names(given)
        return {each.name: _fitted(array_of(given[each.name]), each) for each in self._inputs}

    def _by_column(self, features: Array, names: Sequence[str]) -> dict[str, Array]:
        """A column of the array for each input; by position where the request names none."""
        wanted = [each.name for each in self._inputs]
        if features.ndim != 2 or features.shape[1] != len(wanted):
            raise BadFeatures(f"expected rows of {len(wanted)} columns, one an input, got shape {list(features.shape)}")
        if names and not are_default(names):
            self._check_names(names)
            wanted = list(names)
        columns = {name: features[:, [index]] for index, name in enumerate(wanted)}
        return {each.name: _fitted(columns[each.name], each) for each in self._inputs}

    def _check_names(self, given: Collection[str]) -> None:
        wanted = [each.name for each in self._inputs]
        if sorted(given) != sorted(wanted):
            raise BadFeatures(f"expected the inputs {', '.join(wanted)}, got {', '.join(map(str, given))}")

    def metadata(self) -> dict[str, Json]:
        kept = self._session.get_modelmeta().custom_metadata_map
        return {
            "platform": self.library,
            "inputs": [each.described for each in self._inputs],
            "outputs": [each.described for each in self._outputs],
            "custom": {str(key): str(value) for key, value in kept.items()},
        }


def _tensor(described: Any, path: Path, is_output: bool = False) -> Tensor:
    """An input or output as the session describes it. What is no tensor may be an output alone."""
    dtype, datatype = DTYPES.get(described.type, (object, ""))
    if not datatype and not is_output:
        raise ModelError(f"{path}: input {described.name}: expected a tensor, got {described.type}")
    shape = tuple(size if isinstance(size, int) else -1 for size in described.shape or ())
    return Tensor(described.name, dtype, datatype or "BYTES", shape)


def _fitted(features: Array, tensor: Tensor) -> Array:
    """The array with the type and a shape of the input. Raises BadFeatures."""
    wanted = tensor.shape
    fits = len(features.shape) == len(wanted) and all(
        size in (-1, given) for size, given in zip(wanted, features.shape, strict=True)
    )
    if wanted and not fits:
        raise BadFeatures(
            f"input {tensor.name}: expected the shape {list(wanted)} (-1 is any), got {list(features.shape)}"
        )
    return np.ascontiguousarray(converted(features, tensor.dtype))


def _prediction(answer: Any) -> Prediction:
    """An output as an array. A list of {class: probability}, as some converters have it, is one with named columns."""
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        names = list(answer[0])
        return Prediction(np.array([[row[name] for name in names] for row in answer]), [str(name) for name in names])
    return Prediction(np.asarray(answer))
