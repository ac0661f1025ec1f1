"""A contract as Gaal keeps it: what a model takes and what it gives, column by column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from gaal.errors import Violation

Value: TypeAlias = "float | str"


class Dtype(Enum):
    FLOAT = "FLOAT"
    INT = "INT"
    STRING = "STRING"


@dataclass(frozen=True, slots=True)
class Variable:
    """A feature or a target. It is categorical where it has `values`, otherwise continuous from `low` to `high`.

    A bound that is infinite is none. `shape` is that of one row, so (1,) is a single column. `is_repeated` says that
    the name was made by `repeat` and stands nowhere in the contract.
    """

    name: str
    dtype: Dtype
    low: float = -math.inf
    high: float = math.inf
    values: tuple[Value, ...] = ()
    shape: tuple[int, ...] = (1,)
    is_repeated: bool = False

    @property
    def n_columns(self) -> int:
        return self.shape[0]

    @property
    def is_categorical(self) -> bool:
        return bool(self.values)

    @property
    def has_text(self) -> bool:
        return any(isinstance(value, str) for value in self.values)


@dataclass(frozen=True, slots=True)
class Contract:
    """What goes into a model and what comes out, with `repeat` written out. `warnings` has what is odd in it."""

    features: tuple[Variable, ...]
    targets: tuple[Variable, ...] = ()
    warnings: tuple[Violation, ...] = ()


def n_columns(variables: Sequence[Variable]) -> int:
    """How many columns an array of these variables has."""
    return sum(each.n_columns for each in variables)
