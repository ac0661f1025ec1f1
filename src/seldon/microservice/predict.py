"""Predictions over REST: `/predict`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gaal.errors import MessageError
from seldon.microservice.app import MicroserviceApp, json_of_request
from seldon.microservice.model import Prediction, ServedModel


def prediction_app(model: ServedModel) -> MicroserviceApp:
    app = MicroserviceApp("prediction")

    @app.route("/predict", methods=["GET", "POST"])
    def predict() -> dict[str, Any]:
        predictions = model.predictions(features(json_of_request()))
        return {"meta": {"modelName": model.name}, "predictions": [_as_json(each) for each in predictions]}

    return app


def features(body: dict[str, Any]) -> Any:
    """What the pipeline gets: a DataFrame of one row for an object, an array of shape (1, n) for a list of numbers.

    A string is refused. It was once taken as the path of a file to load, so that a caller could read any. Raises
    MessageError.
    """
    match body.get("data"):
        case dict() as named:
            return pd.DataFrame([named])
        case [*numbers] if all(isinstance(each, int | float) for each in numbers):
            return np.array([numbers], dtype=float)
        case None:
            raise MessageError("data: an object of features or a list of numbers is needed, got nothing")
        case other:
            raise MessageError(f"data: an object of features or a list of numbers is needed, got {_kind(other)}")


def _kind(value: Any) -> str:
    return "a list with something else in it" if isinstance(value, list) else type(value).__name__


def _as_json(prediction: Prediction) -> dict[str, Any]:
    return {
        "prediction": prediction.probability,
        "predictedClass": prediction.predicted_class,
        "confidence": prediction.probability,
    }
