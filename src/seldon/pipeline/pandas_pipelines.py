"""What the estimators share: which columns are features, how they become numbers, and what classes are called."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction import DictVectorizer

__all__ = ["BasePandasEstimator"]

SEPARATOR = "="
"""Between a column and its value in the name of a one-hot feature, as DictVectorizer has it."""


class BasePandasEstimator:
    """Turns tables into arrays for an estimator.

    `target` is the column of the class, `target_readable` a column with the name of the class in it, which is no
    feature. `included` are the features, all columns where it is None; `excluded` are none. `id_map` gives names to
    values of the target; it comes before `target_readable`.

    Numbers stay numbers, and a missing one is 0. A string becomes a feature of its own, 1 where it stands; so does each
    string of a list. A dict gives a feature for each of its keys. Dates are left out. What is learned is kept in
    `vectorizer_`, `classes_` and `id_map_`.
    """

    target: str | None
    target_readable: str | None
    included: Sequence[str] | None
    excluded: Sequence[str] | None
    id_map: Mapping[Any, str] | None

    def __init__(
        self,
        target: str | None = None,
        target_readable: str | None = None,
        included: Sequence[str] | None = None,
        excluded: Sequence[str] | None = None,
        id_map: Mapping[Any, str] | None = None,
    ) -> None:
        self.target = target
        self.target_readable = target_readable
        self.included = included
        self.excluded = excluded
        self.id_map = id_map

    def get_target(self) -> str | None:
        return self.target

    def get_class_id_map(self) -> dict[int, str]:
        """The name of the class in each column of `predict_proba`, where there is one. Empty before `fit`."""
        return dict(getattr(self, "id_map_", {}))

    def _learn(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Features of shape (n, m), and the class of each row as an index into `classes_`, of shape (n,).

        `y` are the classes of the rows of an array, or of a table where there is no `target`.
        """
        if not isinstance(X, pd.DataFrame):
            return self._features(X), self._learn_classes(np.asarray(y))
        readable = X[self.target_readable].tolist() if self.target_readable in X.columns else None
        indices = self._learn_classes(self._targets(X, y), readable)
        self.vectorizer_ = DictVectorizer(sparse=False, separator=SEPARATOR)
        return self.vectorizer_.fit_transform(self._rows(X)), indices

    def _targets(self, table: pd.DataFrame, y: Any) -> Any:
        if self.target is None and y is not None:
            return np.asarray(y)
        if self.target is None or self.target not in table.columns:
            raise ValueError(f"target: a column of the table is needed, got {self.target!r}")
        return table[self.target].to_numpy()

    def _learn_classes(self, targets: Any, readable: Sequence[Any] | None = None) -> Any:
        """The index of each target in the sorted `classes_`, and the names of the classes."""
        self.classes_, first, indices = np.unique(targets, return_index=True, return_inverse=True)
        names = self.id_map or ({} if readable is None else {targets[row]: str(readable[row]) for row in first})
        values = self.classes_.tolist()
        unnamed = {value: str(value) for value in values if isinstance(value, str)}
        named = {**unnamed, **names}
        self.id_map_ = {index: str(named[value]) for index, value in enumerate(values) if value in named}
        return indices

    def _features(self, X: Any) -> Any:
        """The features of a table or an array, of shape (n, m)."""
        if not isinstance(X, pd.DataFrame):
            return np.asarray(X, dtype=float)
        if not hasattr(self, "vectorizer_"):
            raise ValueError(f"{type(self).__name__} learned from an array, and got a table to predict")
        return self.vectorizer_.transform(self._rows(X))

    def _rows(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        features = {str(name): column.tolist() for name, column in table.items() if self._is_feature(name, column)}
        if not features:
            return [{} for _ in range(len(table))]
        return [
            dict(item for name, value in zip(features, row, strict=True) for item in _entries(name, value))
            for row in zip(*features.values(), strict=True)
        ]

    def _is_feature(self, name: Any, column: pd.Series[Any]) -> bool:
        if name in (self.target, self.target_readable) or name in (self.excluded or ()):
            return False
        if self.included is not None and name not in self.included:
            return False
        return not pd.api.types.is_datetime64_any_dtype(column.dtype)


def _entries(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    """What one cell says, as features for DictVectorizer. Nothing, if the value is missing."""
    match value:
        case Mapping():
            return [item for key, below in value.items() for item in _entries(f"{name}{SEPARATOR}{key}", below)]
        case list() | tuple() | set() | frozenset():
            return [(f"{name}{SEPARATOR}{each}", 1.0) for each in value]
        case str():
            return [(name, value)]
        case datetime.date() | np.datetime64():
            return []
        case bool() | int() | float() | np.number() | np.bool_():
            return [] if np.isnan(value) else [(name, float(value))]
    return [] if pd.isna(value) else [(name, str(value))]
