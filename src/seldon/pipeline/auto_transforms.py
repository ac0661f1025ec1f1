"""A step that finds out what the columns of a table are, and makes features of them accordingly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

__all__ = ["AutoTransform", "Auto_transform"]

BOOLEANS = {"true": 1, "false": 0, "1": 1, "0": 0, "yes": 1, "no": 0, "1.0": 1, "0.0": 0}
ANY_FORMAT = "mixed"
"""Pandas' word for dates that may each be written differently."""


class AutoTransform(TransformerMixin, BaseEstimator):
    """Numbers are scaled, categories cleaned, booleans become 0 and 1, dates are taken apart.

    All columns are looked at, or those in `include`, without those in `exclude` and those of lists and dicts.
    `ignore_vals` and empty strings count as missing. What a column is, is decided by `fit`; columns that it has not
    seen stay as they are.

    * Dropped: with `drop_duplicate_cols`, a column equal to one before it. With `drop_constant_features`, one that has
      the same value everywhere. With `nan_threshold`, one of which a larger share is missing.
    * Boolean: all values are in `bool_map`, in lower case.
    * Number: scaled to mean 0 and deviation 1, a missing one is 0. `min_max_limit` keeps it within what `fit` saw.
    * Category: anything else, a number with at most `max_values_numeric_categorical` different values, and a column in
      `force_categorical`. Lower case, with `_` for spaces; a number has the column's name before it. What is missing
      becomes `cat_missing_val`; a category is missing where it made less than `min_cat_percent` or more than
      `max_cat_percent` of all rows, as shares from 0 to 1, or was not there.
    * Date: a column of dates, or one in `date_cols`, in one of `custom_date_formats` or any usual form. Adds what
      `date_transforms` says of hour, month, day of week, year: `a_hour` (`h15`) and its place on the clock's circle,
      `a_h1` and `a_h2`; `a_month`, `a_m1`, `a_m2`; `a_w`, `a_w1`, `a_w2` with Monday 0; `a_year`.
      `create_date_differences` adds the days from one date to the other, scaled, as `a_b`.
    """

    def __init__(
        self,
        exclude: Sequence[str] = (),
        include: Sequence[str] | None = None,
        max_values_numeric_categorical: int = 0,
        date_cols: Sequence[str] = (),
        custom_date_formats: Sequence[str] | None = None,
        ignore_vals: Sequence[Any] | None = None,
        force_categorical: Sequence[str] = (),
        min_cat_percent: float = 0.0,
        max_cat_percent: float = 1.0,
        bool_map: Mapping[str, int] | None = None,
        cat_missing_val: str = "UKN",
        date_transforms: Sequence[bool] = (True, True, True, True),
        create_date_differences: bool = False,
        nan_threshold: float | None = None,
        drop_constant_features: bool = True,
        drop_duplicate_cols: bool = True,
        min_max_limit: bool = False,
    ) -> None:
        self.exclude = exclude
        self.include = include
        self.max_values_numeric_categorical = max_values_numeric_categorical
        self.date_cols = date_cols
        self.custom_date_formats = custom_date_formats
        self.ignore_vals = ignore_vals
        self.force_categorical = force_categorical
        self.min_cat_percent = min_cat_percent
        self.max_cat_percent = max_cat_percent
        self.bool_map = bool_map
        self.cat_missing_val = cat_missing_val
        self.date_transforms = date_transforms
        self.create_date_differences = create_date_differences
        self.nan_threshold = nan_threshold
        self.drop_constant_features = drop_constant_features
        self.drop_duplicate_cols = drop_duplicate_cols
        self.min_max_limit = min_max_limit

    def fit(self, df: pd.DataFrame, y: Any = None) -> AutoTransform:
        plain = [column for column in df.columns if not _has_collections(df[column])]
        looked_at = [column for column in plain if self._is_looked_at(column)]
        cleaned = {column: self._cleaned(df[column]) for column in looked_at}
        self.dropped_ = [column for column in looked_at if self._is_dropped(column, cleaned)]
        kept = {column: values for column, values in cleaned.items() if column not in self.dropped_}
        self.plans_ = {column: self._plan(column, values) for column, values in kept.items()}
        self.differences_ = {
            (one, other): Scale.of(_days_between(dates_of_one, dates_of_other))
            for (one, dates_of_one), (other, dates_of_other) in self._pairs_of_dates(df)
        }
        return self

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        """A new table. Columns that `fit` has seen may be missing from it."""
        made = df.drop(columns=[column for column in self.dropped_ if column in df.columns])
        for column, plan in self.plans_.items():
            if column in df.columns:
                for name, values in plan.columns(column, self._cleaned(df[column])):
                    made[name] = values
        for (one, dates_of_one), (other, dates_of_other) in self._pairs_of_dates(df):
            scale = self.differences_.get((one, other))
            if scale is not None:
                made[f"{one}_{other}"] = scale.apply(_days_between(dates_of_one, dates_of_other))
        return made

    def _is_looked_at(self, column: str) -> bool:
        return column not in self.exclude and (not self.include or column in self.include)

    def _cleaned(self, values: pd.Series[Any]) -> pd.Series[Any]:
        """The column with None for what is ignored; of numbers, if only numbers are left."""
        if _are_dates(values):
            return values
        if pd.api.types.is_numeric_dtype(values) and values.dtype != bool:
            numbers = values.astype(float)
            return numbers.mask(values.isin(self.ignore_vals)) if self.ignore_vals else numbers
        missing = values.isin(["", *(self.ignore_vals or ())]) | values.isna()
        kept = values.astype(object).mask(missing, None)
        if values.dtype != bool and all(_is_number(value) for value in kept[~missing]):
            return kept.astype(float)
        return kept

    def _is_dropped(self, column: str, cleaned: Mapping[str, pd.Series[Any]]) -> bool:
        values = cleaned[column]
        before = itertools.takewhile(lambda other: other != column, cleaned)
        if self.drop_duplicate_cols and any(values.equals(cleaned[other]) for other in before):
            return True
        if self.nan_threshold is not None and values.isna().mean() > self.nan_threshold:
            return True
        return self.drop_constant_features and len(values.astype(str).unique()) <= 1

    def _plan(self, column: str, values: pd.Series[Any]) -> Boolean | Scale | Category | Date:
        booleans = self.bool_map or BOOLEANS
        if _are_dates(values) or column in self.date_cols:
            return Date(self._date_format(column, values), tuple(self.date_transforms))
        if all(str(value).lower() in booleans for value in values):
            return Boolean(booleans)
        is_number = pd.api.types.is_numeric_dtype(values) and column not in self.force_categorical
        if is_number and values.nunique(dropna=False) > self.max_values_numeric_categorical:
            return Scale.of(values, self.min_max_limit)
        shares = values.value_counts(normalize=True, dropna=False)
        kept = shares[shares.between(self.min_cat_percent, self.max_cat_percent)].index.dropna()
        return Category(frozenset(kept), self.cat_missing_val)

    def _date_format(self, column: str, values: pd.Series[Any]) -> str:
        """The first of the formats that all dates are in. Raises ValueError if there is none."""
        for form in [*(self.custom_date_formats or ()), ANY_FORMAT]:
            if _dates(values, form).notna().equals(values.notna()):
                return form
        raise ValueError(f"date_cols: column {column!r} holds dates in no format that is known or given")

    def _pairs_of_dates(self, df: pd.DataFrame) -> Iterator[tuple[tuple[str, Any], tuple[str, Any]]]:
        if not self.create_date_differences:
            return iter(())
        dates = {
            column: _dates(self._cleaned(df[column]), plan.form)
            for column, plan in self.plans_.items()
            if isinstance(plan, Date) and column in df.columns
        }
        return itertools.combinations(dates.items(), 2)


Auto_transform = AutoTransform


@dataclass(frozen=True)
class Boolean:
    numbers: Mapping[str, int]

    def columns(self, name: str, values: pd.Series[Any]) -> Iterator[tuple[str, Any]]:
        yield name, values.astype(str).str.lower().map(dict(self.numbers))


@dataclass(frozen=True)
class Scale:
    mean: float
    deviation: float
    lowest: float
    highest: float
    limited: bool = False

    @classmethod
    def of(cls, values: pd.Series[Any], limited: bool = False) -> Scale:
        known = values.dropna().astype(float)
        if known.empty:
            return cls(0.0, 1.0, -np.inf, np.inf, limited)
        return cls(known.mean(), known.std(ddof=0) or 1.0, known.min(), known.max(), limited)

    def columns(self, name: str, values: pd.Series[Any]) -> Iterator[tuple[str, Any]]:
        yield name, self.apply(values)

    def apply(self, values: pd.Series[Any]) -> Any:
        """Of shape (n,). What is no number is 0, as if it were the mean."""
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float)
        limited = numbers.clip(self.lowest, self.highest) if self.limited else numbers
        scaled = (limited - self.mean) / self.deviation
        return np.where(np.isnan(scaled), 0.0, scaled)


@dataclass(frozen=True)
class Category:
    kept: frozenset[Any]
    missing: str

    def columns(self, name: str, values: pd.Series[Any]) -> Iterator[tuple[str, Any]]:
        cleaned = [self._word(name, value) for value in values]
        yield name, pd.Series(cleaned, index=values.index, dtype=object)

    def _word(self, name: str, value: Any) -> str | None:
        if pd.isna(value):
            return self.missing
        if value not in self.kept:
            return None
        if _is_number(value):
            return f"{name}_{int(value) if float(value).is_integer() else value}"
        return str(value).replace(" ", "_").lower()


@dataclass(frozen=True)
class Date:
    form: str
    parts: Sequence[bool]
    """Whether hour, month, day of week and year are wanted."""

    def columns(self, name: str, values: pd.Series[Any]) -> Iterator[tuple[str, Any]]:
        dates = _dates(values, self.form)
        yield name, dates
        hour, month, day, year = self.parts
        if hour:
            yield from _circle(f"{name}_hour", f"{name}_h", "h", dates.dt.hour, 24)
        if month:
            yield from _circle(f"{name}_month", f"{name}_m", "m", dates.dt.month, 12)
        if day:
            yield from _circle(f"{name}_w", f"{name}_w", "w", dates.dt.day_of_week, 7)
        if year:
            yield f"{name}_year", _lettered("y", dates.dt.year)


def _circle(
    word: str, place: str, letter: str, numbers: pd.Series[Any], period: int
) -> Iterator[tuple[str, pd.Series[Any]]]:
    """A number that comes round again: as a word, and as a point on a circle, so that 23 and 0 are neighbours."""
    angle = numbers * (2 * np.pi / period)
    yield word, _lettered(letter, numbers)
    yield f"{place}1", np.sin(angle)
    yield f"{place}2", np.cos(angle)


def _lettered(letter: str, numbers: pd.Series[Any]) -> pd.Series[Any]:
    words = [None if pd.isna(number) else f"{letter}{int(number)}" for number in numbers]
    return pd.Series(words, index=numbers.index, dtype=object)


def _has_collections(values: pd.Series[Any]) -> bool:
    return any(isinstance(value, list | tuple | set | dict) for value in values)


def _are_dates(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_datetime64_any_dtype(values)


def _dates(values: pd.Series[Any], form: str) -> pd.Series[Any]:
    """The column as dates. What is none is missing."""
    return values if _are_dates(values) else pd.to_datetime(values, format=form, errors="coerce")


def _days_between(dates: pd.Series[Any], others: pd.Series[Any]) -> pd.Series[Any]:
    return (dates - others).dt.total_seconds() / 86400


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
