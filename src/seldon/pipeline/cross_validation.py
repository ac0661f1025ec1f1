"""How well an estimator does on rows that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import KFold

__all__ = ["SeldonKFold", "Seldon_KFold"]


class AroundEstimator(ClassifierMixin, BaseEstimator):
    """Answers as the copy `clf_` of the estimator `clf` does, which has learned."""

    clf: Any
    clf_: Any

    def predict_proba(self, X: Any) -> Any:
        return self.clf_.predict_proba(X)

    def predict(self, X: Any) -> Any:
        return self.clf_.predict(X)

    def get_target(self) -> str | None:
        target: str | None = self.clf.get_target()
        return target

    def get_class_id_map(self) -> dict[int, str]:
        if not hasattr(self.clf_, "get_class_id_map"):
            return {index: str(value) for index, value in enumerate(self.clf_.classes_)}
        names: dict[int, str] = self.clf_.get_class_id_map()
        return names


class SeldonKFold(AroundEstimator):
    """An estimator that learns from all rows, after it was measured on `k` folds of them.

    `clf` is an estimator over tables, or over arrays and classes; copies of it learn. `metric` is `accuracy`, or `auc`
    for two classes. In `save_folds_folder` each fold leaves what was right and what was predicted, as text.
    """

    def __init__(
        self,
        clf: Any = None,
        k: int = 5,
        save_folds_folder: str | None = None,
        metric: str = "accuracy",
        random_state: int | None = 1,
    ) -> None:
        self.clf = clf
        self.k = k
        self.save_folds_folder = save_folds_folder
        self.metric = metric
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> SeldonKFold:
        if self.metric not in ("accuracy", "auc"):
            raise ValueError(f"metric: accuracy or auc is needed, got {self.metric!r}")
        folds = KFold(self.k, shuffle=True, random_state=self.random_state).split(X)
        self.scores_ = [
            self._score(X, y, learned, held_back, fold) for fold, (learned, held_back) in enumerate(folds, 1)
        ]
        self.clf_ = clone(self.clf).fit(X, y)
        return self

    def get_scores(self) -> list[float]:
        """The score of each fold. Empty before `fit`."""
        return list(getattr(self, "scores_", ()))

    def get_score(self) -> float:
        """The mean of the scores, 0 before `fit`."""
        return float(np.mean(self.get_scores() or [0.0]))

    def transform(self, X: Any) -> Any:
        return X

    def _score(self, X: Any, y: Any, learned: Any, held_back: Any, fold: int) -> float:
        fitted = clone(self.clf).fit(_rows(X, learned), None if y is None else _rows(y, learned))
        asked = _rows(X, held_back)
        right = asked[fitted.get_target()].to_numpy() if y is None else np.asarray(_rows(y, held_back))
        predicted, probabilities = fitted.predict(asked), fitted.predict_proba(asked)
        self._save(fold, correct=right, predictions=predicted, predictions_proba=probabilities)
        if self.metric == "auc":
            return float(roc_auc_score(right, probabilities[:, 1]))
        return float(accuracy_score(right, predicted))

    def _save(self, fold: int, **columns: Any) -> None:
        if self.save_folds_folder is None:
            return
        folder = Path(self.save_folds_folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in columns.items():
            as_number = "%1.3f" if np.issubdtype(np.asarray(values).dtype, np.number) else "%s"
            np.savetxt(folder / f"{fold}_{name}.txt", values, fmt=as_number)


def _rows(table: Any, rows: Any) -> Any:
    return table.iloc[rows] if isinstance(table, pd.DataFrame | pd.Series) else np.asarray(table)[rows]


Seldon_KFold = SeldonKFold
