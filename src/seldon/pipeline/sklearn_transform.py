"""Any transformer of scikit-learn over some columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone

__all__ = ["SklearnTransform", "Sklearn_transform"]


class SklearnTransform(TransformerMixin, BaseEstimator):
    """Adds what a transformer makes of the columns `input_features`.

    The new columns are called `output_features`, or `output_features_prefix` with `_0`, `_1` and so on. A copy of
    `transformer` learns.
    """

    def __init__(
        self,
        input_features: Sequence[str] | None = None,
        output_features: Sequence[str] | None = None,
        output_features_prefix: str | None = None,
        transformer: Any = None,
    ) -> None:
        self.input_features = input_features
        self.output_features = output_features
        self.output_features_prefix = output_features_prefix
        self.transformer = transformer

    def fit(self, df: pd.DataFrame, y: Any = None) -> SklearnTransform:
        if not (self.output_features or self.output_features_prefix):
            raise ValueError("output_features: names for the new columns are needed, or output_features_prefix")
        self.transformer_ = clone(self.transformer).fit(self._inputs(df))
        return self

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        made = self.transformer_.transform(self._inputs(df))
        columns = np.asarray(made.toarray() if hasattr(made, "toarray") else made).reshape(len(df), -1)
        names = self.output_features or [f"{self.output_features_prefix}_{index}" for index in range(columns.shape[1])]
        if len(names) != columns.shape[1]:
            raise ValueError(f"output_features: {columns.shape[1]} names are needed, got {len(names)}")
        return df.assign(**{name: columns[:, index] for index, name in enumerate(names)})

    def _inputs(self, df: pd.DataFrame) -> Any:
        """Of shape (n, columns); of a single column of strings (n,), which is what binarizers of labels take."""
        inputs = df[list(self.input_features or ())].to_numpy()
        is_labels = inputs.shape[1] == 1 and not all(isinstance(each, int | float | np.number) for each in inputs[:, 0])
        return inputs[:, 0] if is_labels else inputs


Sklearn_transform = SklearnTransform
