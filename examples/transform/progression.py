"""The progression of diabetes in three units: measurements → standard scores → a score → a progression."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from seldon_core.flask_utils import SeldonMicroserviceException

WEIGHTS: dict[str, Any] = json.loads(Path(__file__).with_name("weights.json").read_text())


class Standardise:
    """Transformer: measurements in their own units become standard scores, in the order that the model knows."""

    def transform_input(self, measured: np.ndarray, names: list[str]) -> np.ndarray:
        columns = WEIGHTS["columns"]
        if sorted(names) != sorted(columns):
            raise SeldonMicroserviceException(f"the columns must be {', '.join(columns)}, got {', '.join(names)}")
        in_order = measured[:, [names.index(column) for column in columns]]
        return (in_order - WEIGHTS["mean"]) / WEIGHTS["spread"]


class Ridge:
    """Model: one standard score a patient."""

    def predict(self, scores: np.ndarray, names: list[str]) -> np.ndarray:
        return scores @ np.array(WEIGHTS["coefficients"])[:, np.newaxis]


class Progression:
    """Output transformer: the score on the scale that doctors read, never outside of what was ever measured."""

    def __init__(self, digits: int) -> None:
        self.digits = digits

    def transform_output(self, scores: np.ndarray, names: list[str]) -> np.ndarray:
        progression = scores * WEIGHTS["target_spread"] + WEIGHTS["target_mean"]
        return np.clip(progression, *WEIGHTS["target_range"]).round(self.digits)

    def class_names(self) -> list[str]:
        return ["progression"]

    def tags(self) -> dict[str, Any]:
        return {"scale": WEIGHTS["target_range"]}
