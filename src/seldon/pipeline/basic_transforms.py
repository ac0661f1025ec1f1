"""Small steps over tables. Each takes a DataFrame and gives a new one; the one it got stays as it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

__all__ = [
    "BinaryTransform",
    "Binary_transform",
    "ExcludeFeaturesTransform",
    "Exclude_features_transform",
    "ExistFeaturesTransform",
    "Exist_features_transform",
    "FeatureIdTransform",
    "Feature_id_transform",
    "IncludeFeaturesTransform",
    "Include_features_transform",
    "SplitTransform",
    "Split_transform",
    "SvmlightTransform",
    "Svmlight_transform",
]


class TableStep(TransformerMixin, BaseEstimator):
    """A step that learns nothing, so that it may transform before it was fitted."""

    def fit(self, df: pd.DataFrame, y: Any = None) -> Any:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class BinaryTransform(TableStep):
    """Puts 1 into `output_feature` where `input_feature` says something, else 0.

    Nothing is said by what is missing, by 0, False and "", and by "0".
    """

    def __init__(self, input_feature: str | None = None, output_feature: str | None = None) -> None:
        self.input_feature = input_feature
        self.output_feature = output_feature

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        says = [int(not _is_missing(value) and value not in (0, "", "0")) for value in _column(df, self.input_feature)]
        return df.assign(**{str(self.output_feature): says})


class IncludeFeaturesTransform(TableStep):
    """Keeps the columns `included`, of which not all need to be there."""

    def __init__(self, included: Sequence[str] | None = None) -> None:
        self.included = included

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        return df[[column for column in df.columns if column in (self.included or ())]]


class ExcludeFeaturesTransform(TableStep):
    """Drops the columns `excluded`, of which not all need to be there."""

    def __init__(self, excluded: Sequence[str] | None = None) -> None:
        self.excluded = excluded

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        return df[[column for column in df.columns if column not in (self.excluded or ())]]


class ExistFeaturesTransform(TableStep):
    """Keeps the rows in which none of the columns `included` is missing."""

    def __init__(self, included: Sequence[str] | None = None) -> None:
        self.included = included

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        return df.dropna(subset=list(self.included or ()))


class SplitTransform(TableStep):
    """Puts into `output_feature` the list of words of all `input_features`.

    `split_expression` is a regular expression for what stands between words. With `ignore_numbers` words that are
    numbers are left out.
    """

    def __init__(
        self,
        split_expression: str = " ",
        ignore_numbers: bool = False,
        input_features: Sequence[str] | None = None,
        output_feature: str | None = None,
    ) -> None:
        self.split_expression = split_expression
        self.ignore_numbers = ignore_numbers
        self.input_features = input_features
        self.output_feature = output_feature

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        columns = [_column(df, name) for name in self.input_features or ()]
        words = [[word for value in row for word in self._words(value)] for row in zip(*columns, strict=True)]
        return df.assign(**{str(self.output_feature): pd.Series(words, index=df.index, dtype=object)})

    def _words(self, value: Any) -> list[str]:
        if _is_missing(value):
            return []
        words = [word for word in re.split(self.split_expression, str(value)) if word]
        return [word for word in words if not _is_number(word)] if self.ignore_numbers else words


class FeatureIdTransform(TransformerMixin, BaseEstimator):
    """Numbers the values of `input_feature` into `output_feature`: the most frequent is 1, or 0 if `zero_based`.

    Values that are seen less than `min_size` times get no number, nor do those after the first `max_classes`. Rows
    without a number are dropped if `exclude_missing`, else they get -1. Of values that are seen equally often, the one
    that sorts first comes first. A table without the column stays as it is, as when it is asked for a prediction.
    """

    def __init__(
        self,
        input_feature: str | None = None,
        output_feature: str | None = None,
        min_size: int = 0,
        exclude_missing: bool = False,
        zero_based: bool = False,
        max_classes: int | None = None,
    ) -> None:
        self.input_feature = input_feature
        self.output_feature = output_feature
        self.min_size = min_size
        self.exclude_missing = exclude_missing
        self.zero_based = zero_based
        self.max_classes = max_classes

    def fit(self, df: pd.DataFrame, y: Any = None) -> FeatureIdTransform:
        counts = Counter(value for value in _column(df, self.input_feature) if not _is_missing(value))
        frequent = [value for value, count in counts.items() if count >= self.min_size]
        ordered = sorted(frequent, key=lambda value: (-counts[value], str(value)))[: self.max_classes]
        self.id_map_ = {value: index for index, value in enumerate(ordered, 0 if self.zero_based else 1)}
        return self

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        if self.input_feature not in df.columns:
            return df
        ids = np.array([self.id_map_.get(value, -1) for value in df[self.input_feature]], dtype=int)
        numbered = df.assign(**{str(self.output_feature): ids})
        return numbered[ids >= 0] if self.exclude_missing else numbered


class SvmlightTransform(TransformerMixin, BaseEstimator):
    """Puts into `output_feature` a list of (feature number, value), as files for SVMlight have it, from 1 on.

    `included` are the columns, all where it is None; `excluded` are none. A number is a feature by its column, a string
    by its column and value, each string of a list and each key of a dict likewise. Features are numbered in
    alphabetical order. Which were not seen by `fit` are left out.
    """

    def __init__(
        self,
        included: Sequence[str] | None = None,
        excluded: Sequence[str] | None = None,
        output_feature: str | None = None,
    ) -> None:
        self.included = included
        self.excluded = excluded
        self.output_feature = output_feature

    def fit(self, df: pd.DataFrame, y: Any = None) -> SvmlightTransform:
        seen = {name for row in self._rows(df) for name, _ in row}
        self.numbers_ = {name: number for number, name in enumerate(sorted(seen), 1)}
        return self

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        rows = [
            sorted((self.numbers_[name], value) for name, value in row if name in self.numbers_)
            for row in self._rows(df)
        ]
        return df.assign(**{str(self.output_feature): pd.Series(rows, index=df.index, dtype=object)})

    def _rows(self, df: pd.DataFrame) -> list[list[tuple[str, float]]]:
        columns = [column for column in df.columns if self._is_taken(column)]
        return [
            [each for column, value in zip(columns, row, strict=True) for each in _weights(str(column), value)]
            for row in df[columns].itertuples(index=False, name=None)
        ]

    def _is_taken(self, column: str) -> bool:
        return (self.included is None or column in self.included) and column not in (self.excluded or ())


Binary_transform = BinaryTransform
Include_features_transform = IncludeFeaturesTransform
Exclude_features_transform = ExcludeFeaturesTransform
Exist_features_transform = ExistFeaturesTransform
Split_transform = SplitTransform
Feature_id_transform = FeatureIdTransform
Svmlight_transform = SvmlightTransform


def _column(df: pd.DataFrame, name: str | None) -> Iterable[Any]:
    """The values of a column, all missing if there is none of the name."""
    return df[name].tolist() if name in df.columns else [None] * len(df)


def _is_missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _weights(name: str, value: Any) -> list[tuple[str, float]]:
    """The features that one cell has, with their values."""
    match value:
        case Mapping():
            return [each for key, below in value.items() for each in _weights(f"{name}_{key}", below)]
        case list() | tuple() | set():
            return [(f"{name}_{each}", 1) for each in value]
        case str():
            return [(f"{name}_{value}", 1)]
    return [] if _is_missing(value) else [(name, float(value))]
