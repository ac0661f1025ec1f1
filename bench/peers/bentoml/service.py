"""BentoML: one row a call, and with its adaptive batching."""

import os
from typing import Any

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1)
class Iris:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(route="/predict")
    def predict(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"data": {"ndarray": self.model.predict_proba(np.array(data["ndarray"])).tolist()}}


@bentoml.service(workers=1)
class BatchedIris:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(route="/predict", batchable=True, max_batch_size=64)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.predict_proba(rows))
