"""Which iris is it? Four sizes in centimetres in, the probability of each species out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xgboost

MODEL = Path(__file__).with_name("model.json")


class IrisClassifier:
    def load(self) -> None:
        self.booster = xgboost.Booster(model_file=MODEL)
        self.booster.set_param("nthread", 1)

    def predict(self, sizes: np.ndarray, names: list[str]) -> np.ndarray:
        """Shape (n, 4): length and width of the sepal, then of the petal. Returns shape (n, 3)."""
        return self.booster.inplace_predict(sizes)

    def class_names(self) -> list[str]:
        return ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]

    def init_metadata(self) -> dict[str, object]:
        sizes = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
        return {
            "name": "iris",
            "versions": ["1"],
            "platform": "xgboost",
            "inputs": [{"messagetype": "tensor", "schema": {"names": sizes, "shape": [-1, 4]}}],
            "outputs": [{"messagetype": "tensor", "schema": {"names": self.class_names(), "shape": [-1, 3]}}],
        }
