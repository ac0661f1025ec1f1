"""Benign or malignant? Clear cases go to a quick model, the others to a committee of two that is combined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from seldon_core.metrics import create_counter
from seldon_core.user_model import SeldonComponent, SeldonResponse

WEIGHTS: dict[str, Any] = json.loads(Path(__file__).with_name("weights.json").read_text())
QUICK, COMMITTEE = 0, 1


def logistic(scores: np.ndarray, weights: dict[str, Any]) -> np.ndarray:
    """The probability that a tumour is malignant, shape (n, 1), by a logistic regression of the first columns."""
    coefficients = np.array(weights["coefficients"])
    exponents = scores[:, : len(coefficients)] @ coefficients + weights["intercept"]
    return (1 / (1 + np.exp(-exponents)))[:, np.newaxis]


class Report(SeldonComponent):
    """Output transformer: probabilities become findings. It also hears feedback, by its `methods`."""

    def __init__(self) -> None:
        self.n_right = self.n_wrong = 0

    def transform_output(self, malignant: np.ndarray, names: list[str]) -> SeldonResponse:
        findings = [
            {"finding": "malignant" if probability >= 0.5 else "benign", "probability": round(float(probability), 3)}
            for probability in malignant[:, 0]
        ]
        counted = [create_counter("tumours_reported", len(findings))]
        return SeldonResponse(data={"findings": findings}, tags={"n_tumours": len(findings)}, metrics=counted)

    def send_feedback(
        self, features: np.ndarray, names: list[str], reward: float, truth: np.ndarray, routing: int | None
    ) -> dict[str, int]:
        if reward > 0:
            self.n_right += 1
        else:
            self.n_wrong += 1
        return {"right": self.n_right, "wrong": self.n_wrong}


class Standardise(SeldonComponent):
    """Transformer: measurements become standard scores."""

    def transform_input(self, measured: np.ndarray, names: list[str]) -> np.ndarray:
        return (measured - WEIGHTS["mean"]) / WEIGHTS["spread"]


class Triage(SeldonComponent):
    """Router: the committee looks at a request if the quick model is unsure of any tumour in it."""

    def __init__(self, sure: float) -> None:
        self.sure = sure

    def route(self, scores: np.ndarray, names: list[str]) -> int:
        malignant = logistic(scores, WEIGHTS["quick"])
        unsure = np.maximum(malignant, 1 - malignant) < self.sure
        return COMMITTEE if unsure.any() else QUICK


class Quick(SeldonComponent):
    """Model that, by its `methods`, has the last word on its own reply too: nothing is ever quite sure."""

    def predict(self, scores: np.ndarray, names: list[str]) -> np.ndarray:
        return logistic(scores, WEIGHTS["quick"])

    def transform_output(self, malignant: np.ndarray, names: list[str]) -> np.ndarray:
        return malignant.clip(0.001, 0.999)


class Weighted(SeldonComponent):
    """Combiner: the mean of its members' replies, the first of which counts `first` times as much as each other."""

    def __init__(self, first: float) -> None:
        self.first = first

    def aggregate(self, replies: list[np.ndarray], names: list[list[str]]) -> np.ndarray:
        shares = np.ones(len(replies))
        shares[0] = self.first
        return np.average(replies, axis=0, weights=shares)


class Logistic(SeldonComponent):
    """Model: a logistic regression of all five measurements."""

    async def predict(self, scores: np.ndarray, names: list[str]) -> np.ndarray:
        return logistic(scores, WEIGHTS["logistic"])


class Bayes(SeldonComponent):
    """Model: naive Bayes, each measurement normally distributed."""

    def predict(self, scores: np.ndarray, names: list[str]) -> np.ndarray:
        means, variances, priors = (np.array(WEIGHTS["bayes"][key]) for key in ("means", "variances", "priors"))
        densities = np.log(variances) + (scores[:, np.newaxis] - means) ** 2 / variances
        benign, malignant = (np.log(priors) - densities.sum(axis=2) / 2).T
        return (1 / (1 + np.exp(benign - malignant)))[:, np.newaxis]
