"""Three ways to tell which cultivar a wine is from: a logistic regression, a naive Bayes model, a decision tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("weights.json").read_text())
CULTIVARS = ["cultivar 1", "cultivar 2", "cultivar 3"]


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Scores of shape (n, classes), on a logarithmic scale, as probabilities."""
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


class Logistic:
    class_names = CULTIVARS

    def predict(self, wines: np.ndarray, names: list[str]) -> np.ndarray:
        weights = WEIGHTS["logistic"]
        return probabilities(wines @ np.transpose(weights["coefficients"]) + weights["intercepts"])


class Bayes:
    class_names = CULTIVARS

    def predict(self, wines: np.ndarray, names: list[str]) -> np.ndarray:
        means, variances, priors = (np.array(WEIGHTS["bayes"][key]) for key in ("means", "variances", "priors"))
        likelihood = np.log(variances) + (wines[:, np.newaxis] - means) ** 2 / variances
        return probabilities(np.log(priors) - likelihood.sum(axis=2) / 2)


class Tree:
    class_names = CULTIVARS

    def predict(self, wines: np.ndarray, names: list[str]) -> np.ndarray:
        return np.array([self.leaf_of(wine) for wine in wines])

    def leaf_of(self, wine: np.ndarray) -> list[float]:
        tree, node = WEIGHTS["tree"], 0
        while tree["left"][node] != -1:
            below = wine[tree["columns"][node]] <= tree["thresholds"][node]
            node = tree["left" if below else "right"][node]
        leaf: list[float] = tree["probabilities"][node]
        return leaf
