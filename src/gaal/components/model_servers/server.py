"""What every server of model files does: load a file or folder, and predict an array of rows.

A server knows its library and nothing of units, messages or threads. What it cannot load is a ModelError, what its
model cannot take is BadFeatures; `unit.py` gives both the name of the unit.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gaal.messages import Array, Json


class ModelError(Exception):
    """A model cannot be loaded. The text says what was expected and what is there."""


class BadFeatures(Exception):
    """The model cannot take these features. The text says what was expected and what came."""

    status_code = 400
    reason = "MICROSERVICE_BAD_DATA"


class Prediction(NamedTuple):
    """What a model answers. `names` are those of the columns; None where it has none of its own."""

    value: Any
    names: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model says of the rows that it takes.

    `n_features` and `names` are None and () where it does not know them. `dtype` is what rows are turned into before
    they are checked: None leaves numbers as they are, `object` keeps the values of mixed rows apart.
    """

    n_features: int | None = None
    names: tuple[str, ...] = ()
    dtype: type | None = None


class ModelServer(ABC):
    """One model of one library. Made with the unit's parameters; `load` is called once, before all else.

    `library` is the module that it needs, `extra` the extra of Gaal that brings it. Of a folder the first of
    `file_names` is loaded, else its only file with one of the `suffixes`. `parameters` are those it takes.
    `is_pickle` says that a file can run code when it is loaded, `idle_warning` what of the library's warnings nobody
    needs.
    `refusals` names the exceptions of the library by which a model refuses what it was given.
    """

    library: ClassVar[str]
    extra: ClassVar[str]
    file_names: ClassVar[tuple[str, ...]]
    suffixes: ClassVar[tuple[str, ...]]
    parameters: ClassVar[Mapping[str, type]] = {}
    is_pickle: ClassVar[bool] = False
    idle_warning: ClassVar[str] = ""

    inputs: Inputs = Inputs()
    refusals: tuple[type[Exception], ...] = (ValueError, TypeError)

    @abstractmethod
    def load(self, path: Path) -> None:
        """Read the model. Raises ModelError, or whatever the library does."""

    @abstractmethod
    def predict(self, features: Any, names: Sequence[str]) -> Prediction:
        """The answer to checked rows, a row for a row. Raises BadFeatures, or one of `refusals`."""

    @property
    def is_row_wise(self) -> bool:
        """Whether each row of an answer depends on the same row of the features alone."""
        return True

    def prepared(self, features: Any, names: Sequence[str]) -> tuple[Any, Sequence[str]]:
        """The features as `predict` takes them, and their names. Raises BadFeatures."""
        return checked(features, names, self.inputs)

    def metadata(self) -> dict[str, Json]:
        """What the file tells of the model, in the form of `metadata.yaml`."""
        return {"platform": self.library, "inputs": self._described_inputs()}

    def _described_inputs(self) -> list[Json]:
        if self.inputs.n_features is None:
            return []
        schema: dict[str, Json] = {"shape": [self.inputs.n_features]}
        if self.inputs.names:
            schema["names"] = list(self.inputs.names)
        return [{"messagetype": "tensor", "schema": schema}]


def imported(module: str, extra: str) -> Any:
    """A library, or a module of it. Raises ModelError, with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".")[0]:
            raise ModelError(f"{module} cannot be imported: {error}") from error
        raise ModelError(f"{module} is not installed: pip install 'gaal[{extra}]'") from None


def checked(features: Any, names: Sequence[str], inputs: Inputs) -> tuple[Array, Sequence[str]]:
    """Rows as the model takes them: two dimensions, its number of features, in the order of its names."""
    if not isinstance(features, np.ndarray):
        raise BadFeatures(f"expected an array of rows, got {_kind_of(features)}")
    if features.ndim != 2:
        wanted = "features" if inputs.n_features is None else f"{inputs.n_features} features"
        raise BadFeatures(
            f"expected two dimensions, rows of {wanted}, got {features.ndim}: shape {list(features.shape)}"
        )
    if inputs.n_features is not None and features.shape[1] != inputs.n_features:
        raise BadFeatures(f"expected {inputs.n_features} features a row, got {features.shape[1]}{_listed(inputs)}")
    features, names = in_order(features, names, inputs.names)
    return converted(features, inputs.dtype), names


def in_order(features: Array, names: Sequence[str], wanted: Sequence[str]) -> tuple[Array, Sequence[str]]:
    """The columns in the order of the model's names, where both the model and the request have names."""
    if not wanted or not names or list(names) == list(wanted) or are_default(names):
        return features, wanted or names
    missing = [name for name in wanted if name not in names]
    if missing or len(names) != len(wanted):
        shown = f"; missing: {', '.join(missing)}" if missing else ""
        raise BadFeatures(f"expected the names {', '.join(wanted)}, got {', '.join(names)}{shown}")
    position = {name: index for index, name in enumerate(names)}
    return features[:, [position[name] for name in wanted]], wanted


def are_default(names: Sequence[str]) -> bool:
    """Whether these are the names t:0, t:1, … that a unit gives columns which have none."""
    return all(name == f"t:{index}" for index, name in enumerate(names))


def converted(features: Array, dtype: type | None) -> Array:
    """The values in the type that the model takes. Where it takes numbers, an empty value (None) is a NaN."""
    if dtype is object or (dtype is None and features.dtype.kind != "O"):
        return features
    if features.dtype.kind in "iufb" and dtype is not None:
        return features.astype(dtype, copy=False)
    try:
        return features.astype(dtype or np.float64)
    except (TypeError, ValueError):
        if dtype is None:
            return features
        wanted = np.dtype(dtype).name
        raise BadFeatures(f"expected numbers ({wanted}), got {_first_that_is_none(features)}") from None


def _first_that_is_none(features: Array) -> str:
    """The first value that is no number, and where it stands."""
    for position, value in np.ndenumerate(features):
        try:
            float(value)
        except (TypeError, ValueError):
            return f"{value!r} at {list(position)}"
    return f"values of type {features.dtype}"


def first_nan(features: Any) -> str:
    """Where the first NaN of some rows stands, "" if there is none."""
    if isinstance(features, np.ndarray) and features.dtype.kind == "f":
        found = np.argwhere(np.isnan(features))
        if len(found):
            return f"the first NaN is at {found[0].tolist()}"
    return ""


def _kind_of(features: Any) -> str:
    if isinstance(features, dict):
        return "an object"
    return "bytes" if isinstance(features, bytes) else type(features).__name__


def _listed(inputs: Inputs) -> str:
    return f"; the features are {', '.join(inputs.names)}" if inputs.names else ""
