"""A pipeline that is served, and what its classes are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Prediction:
    """The probability of one class."""

    probability: float
    predicted_class: str


class ServedModel:
    """A pipeline with a name. Many threads may ask it; one at a time is let into the pipeline.

    Pipelines were never promised to be safe for threads, and one that works in parallel does so inside. The pipeline
    needs `predict_proba`, and its last step, the estimator, may have `get_class_id_map()`. That is asked once, here.
    Raises TypeError for a pipeline without `predict_proba`.
    """

    def __init__(self, pipeline: Any, name: str) -> None:
        if not callable(getattr(pipeline, "predict_proba", None)):
            raise TypeError(
                f"model {name!r}: a pipeline that is served needs predict_proba, got {type(pipeline).__name__}"
            )
        self.name = name
        self._pipeline = pipeline
        self._class_name = _class_namer(getattr(pipeline, "_final_estimator", pipeline))
        self._one_at_a_time = Lock()

    def predictions(self, features: Any) -> list[Prediction]:
        """The probability of each class for the first row of `features`, a DataFrame or an array of shape (n, m).

        Whatever the pipeline raises goes through. Raises ValueError if it gave no row, or a number that is not finite.
        """
        with self._one_at_a_time:
            probabilities = self._pipeline.predict_proba(features)
        first = _first_row(np.asarray(probabilities, dtype=float))
        return [Prediction(value, self._class_name(index)) for index, value in enumerate(first)]


def _first_row(probabilities: Any) -> list[float]:
    if len(probabilities) == 0:
        raise ValueError("the pipeline gave no prediction for the row")
    first = np.atleast_1d(probabilities[0])
    if not np.isfinite(first).all():
        raise ValueError("the pipeline gave a probability that is not a finite number")
    values: list[float] = first.tolist()
    return values


def _class_namer(estimator: Any) -> Callable[[int], str]:
    """The name of the class in a column: by the map of ids, else by `classes_`, else the column's number."""
    if hasattr(estimator, "get_class_id_map"):
        names = {int(index): str(name) for index, name in (estimator.get_class_id_map() or {}).items()}
        return lambda index: names.get(index, str(index))
    classes = [str(each) for each in getattr(estimator, "classes_", ())]
    return lambda index: classes[index] if index < len(classes) else str(index)
