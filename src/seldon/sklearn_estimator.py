"""Any classifier of scikit-learn over tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin, clone

from seldon.pipeline.pandas_pipelines import BasePandasEstimator

__all__ = ["SKLearnClassifier"]


class SKLearnClassifier(BasePandasEstimator, ClassifierMixin, BaseEstimator):
    """A classifier that learns from a table, or from an array and its classes.

    `clf` is the classifier; a copy of it learns. `sk_args` are parameters that are set on the copy.
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

    def fit(self, X: Any, y: Any = None) -> SKLearnClassifier:
        """Learns from a table with the column `target`, or from a table or array and classes of shape (n,)."""
        if self.clf is None:
            raise ValueError("clf: a classifier of scikit-learn is needed, got None")
        features, indices = self._learn(X, y)
        self.clf_ = clone(self.clf).set_params(**(self.sk_args or {}))
        self.clf_.fit(features, indices)
        return self

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of shape (n, classes). The columns are in the order of `classes_`."""
        return self.clf_.predict_proba(self._features(X))

    def predict(self, X: Any) -> Any:
        """Classes, as values of the target, of shape (n,)."""
        return self.classes_[self.clf_.predict(self._features(X))]
