"""Anomaly detectors over tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction import DictVectorizer

from seldon.pipeline.pandas_pipelines import SEPARATOR, BasePandasEstimator

__all__ = ["AnomalyWrapper"]


class AnomalyWrapper(BasePandasEstimator, BaseEstimator):
    """A detector that learns from a table or an array, and gives each row a score: the higher, the stranger.

    `clf` is the detector, an IsolationForest where it is None; a copy of it learns. The score is what its own
    `get_score` says, else the negative of scikit-learn's `score_samples`: for an IsolationForest from 0 to 1. `sk_args`
    are parameters that are set on the copy. The column `target` is no feature; nothing is learned from it.
    """

    def __init__(
        self,
        clf: Any = None,
        target: str | None = None,
        target_readable: str | None = None,
        included: Sequence[str] | None = None,
        excluded: Sequence[str] | None = None,
        id_map: Mapping[Any, str] | None = None,
        sk_args: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(target, target_readable, included, excluded, id_map)
        self.clf = clf
        self.sk_args = sk_args

    def fit(self, X: Any, y: Any = None) -> AnomalyWrapper:
        """Learns from a table, or from an array of shape (n, m)."""
        if isinstance(X, pd.DataFrame):
            self.vectorizer_ = DictVectorizer(sparse=False, separator=SEPARATOR)
            features = self.vectorizer_.fit_transform(self._rows(X))
        else:
            features = self._features(X)
        detector = IsolationForest() if self.clf is None else self.clf
        self.clf_ = clone(detector, safe=False).set_params(**(self.sk_args or {}))
        self.clf_.fit(features)
        return self

    def get_class_id_map(self) -> dict[int, str]:
        """The only column has the name that `id_map` gives to 0, else `anomaly`."""
        return {0: str((self.id_map or {}).get(0, "anomaly"))}

    def predict_proba(self, X: Any) -> Any:
        """Scores of shape (n, 1)."""
        features = self._features(X)
        if hasattr(self.clf_, "get_score"):
            scores = self.clf_.get_score(features)
        else:
            scores = -self.clf_.score_samples(features)
        return np.asarray(scores, dtype=float).reshape(-1, 1)

    def predict(self, X: Any) -> Any:
        """Scores of shape (n,)."""
        return self.predict_proba(X)[:, 0]
