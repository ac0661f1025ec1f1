"""XGBoost over tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from seldon.pipeline.pandas_pipelines import BasePandasEstimator

if TYPE_CHECKING:
    from xgboost import XGBClassifier

__all__ = ["XGBoostClassifier"]

OWN = ("target", "target_readable", "included", "excluded", "id_map", "svmlight_feature")
RENAMED = {"nthread": "n_jobs", "seed": "random_state"}
"""Parameters of XGBoost that have another name today."""


class XGBoostClassifier(BasePandasEstimator, ClassifierMixin, BaseEstimator):
    """`xgboost.XGBClassifier` that learns from a table, or from an array and its classes.

    All other parameters are XGBoost's own, by the names of its scikit-learn interface; `silent`, `nthread` and `seed`
    mean what they did. `svmlight_feature` names a column of lists of (feature number, value), which then is the only
    feature. Raises ImportError, at `fit`, where xgboost is not installed.
    """

    def __init__(
        self,
        target: str | None = None,
        target_readable: str | None = None,
        included: Sequence[str] | None = None,
        excluded: Sequence[str] | None = None,
        id_map: Mapping[Any, str] | None = None,
        svmlight_feature: str | None = None,
        **xgboost: Any,
    ) -> None:
        super().__init__(target, target_readable, included, excluded, id_map)
        self.svmlight_feature = svmlight_feature
        self.xgboost = xgboost

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in OWN}, **self.xgboost}

    def set_params(self, **params: Any) -> XGBoostClassifier:
        for name, value in params.items():
            if name in OWN:
                setattr(self, name, value)
            else:
                self.xgboost[name] = value
        return self

    def fit(self, X: Any, y: Any = None) -> XGBoostClassifier:
        """Learns from a table with the column `target`, or from a table or array and classes of shape (n,)."""
        features, indices = self._learn(X, y)
        self.clf_ = self._new_classifier()
        self.clf_.fit(features, indices)
        return self

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of shape (n, classes). The columns are in the order of `classes_`."""
        probabilities = self.clf_.predict_proba(self._features(X))
        # With a single class XGBoost still answers for two.
        return probabilities[:, -len(self.classes_) :]

    def predict(self, X: Any) -> Any:
        """The likeliest classes, as values of the target, of shape (n,)."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def _rows(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        if self.svmlight_feature is None:
            return super()._rows(table)
        return [{str(number): float(value) for number, value in row} for row in table[self.svmlight_feature]]

    def _new_classifier(self) -> XGBClassifier:
        from xgboost import XGBClassifier

        given = {RENAMED.get(name, name): value for name, value in self.xgboost.items()}
        if given.pop("silent", 0):
            given["verbosity"] = 0
        return XGBClassifier(**given)
