"""SKLEARN_SERVER: estimators and pipelines of scikit-learn, kept by joblib or pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from gaal.components.model_servers.server import (
    BadFeatures,
    Inputs,
    ModelError,
    ModelServer,
    Prediction,
    first_nan,
    imported,
)

METHODS = ("predict_proba", "predict", "decision_function")


class SklearnServer(ModelServer):
    """`method` is what is called of the estimator. Without it, predict_proba where there is one, else predict.

    A method that is none of the three means predict. Source: the SKLEARN_SERVER of Seldon Core.
    """

    library = "sklearn"
    extra = "sklearn"
    file_names = ("model.joblib", "model.pkl", "model.pickle")
    suffixes = (".joblib", ".pkl", ".pickle")
    parameters: ClassVar[Mapping[str, type]] = {"method": str}
    is_pickle = True
    # An estimator that was fitted with names says so at every call without them; they have been checked by then.
    idle_warning = "X does not have valid feature names"

    def __init__(self, method: str = "") -> None:
        self._method = method if method in METHODS or not method else "predict"

    def load(self, path: Path) -> None:
        imported("sklearn", self.extra)
        model = imported("joblib", self.extra).load(path)
        self._call = self._method_of(model, path)
        names = tuple(str(name) for name in getattr(model, "feature_names_in_", ()))
        self._frame = self._frame_maker(model) if names else None
        dtype = object if self._frame is not None else None
        self.inputs = Inputs(getattr(model, "n_features_in_", None), names, dtype)

    def predict(self, features: Any, names: Sequence[str]) -> Prediction:
        rows = features if self._frame is None else self._frame(features, columns=list(names)).infer_objects()
        try:
            return Prediction(self._call(rows))
        except ValueError as error:
            where = first_nan(features)
            raise BadFeatures(f"the model refuses the rows: {_first_line(error)}{where and f'; {where}'}") from error

    def _method_of(self, model: Any, path: Path) -> Any:
        wanted = self._method or ("predict_proba" if hasattr(model, "predict_proba") else "predict")
        method = getattr(model, wanted, None)
        if method is None:
            has = ", ".join(name for name in METHODS if hasattr(model, name)) or "none of these methods"
            raise ModelError(f"{path}: expected a model with {wanted}, got a {type(model).__name__} with {has}")
        return method

    def _frame_maker(self, model: Any) -> Any:
        """Of pipelines that were fitted with names, since they may choose columns by name: a pandas.DataFrame."""
        takes_frames = hasattr(model, "steps") or hasattr(model, "transformers")
        return imported("pandas", self.extra).DataFrame if takes_frames else None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
