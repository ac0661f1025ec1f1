"""A reply held against the targets of a contract."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gaal.contracts import rules
from gaal.contracts.contract import Dtype, Variable, n_columns
from gaal.messages import Array, Kind, Message, Payload

# Models compute in 32 bits, whose rounding may carry a probability over 1.
_TOLERANCE = 1e-6
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
"""How JSON has to write these."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a reply breaks: by which target, where first, by which value, and how many values do so.

    `target` is "" and `place` names the part of the reply where it is not about the values of one target.
    """

    target: str
    place: str
    rule: str
    value: Any = None
    n_values: int = 1


def broken_rules(reply: Message, targets: Sequence[Variable], n_rows: int) -> list[Broken]:
    """Every rule that a reply to `n_rows` rows breaks. Without targets any message will do."""
    if not targets:
        return []
    payload = reply.payload
    if payload is None or not payload.kind.is_data:
        return [Broken("", "reply", rules.ARRAY, payload.kind.value if payload else None)]
    place = f"data.{payload.kind.value}"
    cells = _cells(payload)
    if cells is None:
        return [Broken("", place, rules.RAGGED)]
    columns = n_columns(targets)
    if cells.ndim == 1 and columns == 1:  # a list of one value a row: the usual answer of a single target
        cells = cells.reshape(-1, 1)
    found = list(_form(cells, place, targets, n_rows))
    if all(each.rule.startswith(rules.ROWS) for each in found):  # otherwise no column is known to be its target's
        found += _names(payload.names, targets)
        found += _values(cells, targets)
    return found


def _cells(payload: Payload) -> Array | None:
    """The array of a payload, with texts and numbers as they came; None if its rows are of several shapes."""
    value = payload.value
    if payload.kind is not Kind.NDARRAY or isinstance(value, np.ndarray):
        return np.asarray(value)
    try:
        cells = np.array(value, dtype=object)
    except ValueError:
        return None
    return None if any(isinstance(each, list) for each in cells.flat) else cells


def _form(cells: Array, place: str, targets: Sequence[Variable], n_rows: int) -> Iterator[Broken]:
    if cells.ndim < 2:
        yield Broken("", place, rules.DIMENSIONS, list(cells.shape))
        return
    if cells.shape[0] != n_rows:
        yield Broken("", place, f"{rules.ROWS}; {n_rows} expected", cells.shape[0])
    columns = n_columns(targets)
    if cells.shape[1] != columns:
        yield Broken("", place, f"{rules.COLUMNS}; {columns} expected", cells.shape[1])
    inner = targets[0].shape[1:]
    if cells.shape[2:] != inner:
        yield Broken("", place, f"{rules.INNER_SHAPE}; {list(inner)} expected", list(cells.shape[2:]))


def _names(names: Sequence[str], targets: Sequence[Variable]) -> Iterator[Broken]:
    """Names that a component did not give (none, or t:0, t:1, … in their stead) and those of `repeat` are free."""
    names = list(names)
    columns = n_columns(targets)
    if names and len(names) != columns:
        yield Broken("", "data.names", f"{rules.N_NAMES}; {columns} expected", len(names))
        return
    if names == [f"t:{column}" for column in range(columns)]:
        return
    for position, target in enumerate(targets if len(names) == len(targets) else ()):
        if names[position] != target.name and not target.is_repeated:
            yield Broken(target.name, f"data.names[{position}]", rules.NAME, names[position])


def _values(cells: Array, targets: Sequence[Variable]) -> Iterator[Broken]:
    column = 0
    for target in targets:
        yield from _of_target(cells[:, column : column + target.n_columns], column, target)
        column += target.n_columns


def _of_target(cells: Array, first_column: int, target: Variable) -> Iterator[Broken]:
    """The rules that values of one target break, each with the first of them."""
    found: dict[str, list[tuple[tuple[int, ...], Any]]] = {}
    check = _categorical if target.is_categorical else _continuous
    for index, cell in np.ndenumerate(cells):
        value = _plain(cell)
        rule = check(value, target)
        if rule:
            found.setdefault(rule, []).append((index, value))
    for rule, broken in found.items():
        (row, column, *inner), value = broken[0]
        place = f"row {row}, column {first_column + column}"
        yield Broken(target.name, f"{place}, {inner}" if inner else place, rule, value, len(broken))


def _plain(cell: Any) -> Any:
    value = cell.item() if isinstance(cell, np.generic) else cell
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _categorical(value: Any, target: Variable) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return rules.FINITE
    is_one = not isinstance(value, bool) and value in target.values  # True would be 1
    return "" if is_one else rules.ONE_OF


def _continuous(value: Any, target: Variable) -> str:
    if value in _NOT_FINITE:
        return rules.FINITE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return rules.NUMBER
    if not math.isfinite(value):
        return rules.FINITE
    if target.dtype is Dtype.INT and value != math.floor(value):
        return rules.WHOLE
    below = value < target.low - _TOLERANCE * max(1, abs(target.low))
    above = value > target.high + _TOLERANCE * max(1, abs(target.high))
    return f"{rules.IN_RANGE}; {target.low:g} to {target.high:g}" if below or above else ""
