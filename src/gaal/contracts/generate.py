"""Arrays that obey a contract, drawn at random from a generator that the caller seeds.

Source of the distributions and of the rounding: the microservice tester of Seldon Core. A range with both bounds is
drawn from evenly, one without any from the standard normal, and one with a single bound lies beyond it by a log-normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gaal.contracts.contract import Dtype, Variable
from gaal.messages import Array

_DECIMALS = 3
_ROUNDED_BELOW = 1e12
"""Doubles beyond it have hardly more decimals than are kept anyway, and rounding could overflow."""


def batch(variables: Sequence[Variable], n_rows: int, generator: np.random.Generator) -> Array:
    """Rows of these variables, of shape (n_rows, columns, …).

    int64 if all are INT, float64 if all are FLOAT, otherwise Python's own numbers and texts (dtype object).
    """
    parts = [_column(each, n_rows, generator) for each in variables]
    if len({part.dtype for part in parts}) > 1:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts, axis=1)


def _column(variable: Variable, n_rows: int, generator: np.random.Generator) -> Array:
    shape = (n_rows, *variable.shape)
    if variable.is_categorical:
        choices = np.array(variable.values, dtype=object if variable.has_text else None)
        return choices[generator.integers(len(choices), size=shape)]
    drawn = _drawn(variable.low, variable.high, shape, generator)
    small = np.abs(drawn) < _ROUNDED_BELOW
    drawn[small] = np.round(drawn[small], _DECIMALS)
    if variable.dtype is Dtype.FLOAT:
        return np.clip(drawn, variable.low, variable.high)
    # A bound of an INT need not be whole: rounding must not carry the number out of the range.
    whole = np.clip(np.floor(drawn + 0.5), _ceil(variable.low), _floor(variable.high))
    return whole.astype(np.int64)


def _drawn(low: float, high: float, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    if math.isinf(low) and math.isinf(high):
        return generator.standard_normal(shape)
    if math.isinf(high):
        return low + generator.lognormal(size=shape)
    if math.isinf(low):
        return high - generator.lognormal(size=shape)
    share = generator.random(shape)
    return low * (1 - share) + high * share  # high - low could overflow


def _ceil(bound: float) -> float:
    return bound if math.isinf(bound) else math.ceil(bound)


def _floor(bound: float) -> float:
    return bound if math.isinf(bound) else math.floor(bound)
