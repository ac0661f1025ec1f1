"""From the data of a contract.json to a Contract, or to everything that is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gaal.contracts import rules
from gaal.contracts.contract import Contract, Dtype, Variable
from gaal.errors import ContractError, Violation
from gaal.graph.places import known_names, place, shown

_SIDES = ("features", "targets")
_FIELDS = ("name", "dtype", "ftype", "range", "values", "shape", "repeat")
_MAX_REPEAT = 100_000
_MAX_VALUES = 1_000_000
_MAX_INT = 2**53
_NO_BOUND = "inf"
_CONTINUOUS, _CATEGORICAL = "continuous", "categorical"


def looks_like_contract(data: Any) -> bool:
    """Whether data is meant as a contract, be it right or wrong."""
    return isinstance(data, Mapping) and any(side in data for side in _SIDES)


def contract_of(data: Any, source: str) -> Contract:
    """The contract in plain data; `source` names it in errors. Raises ContractError with every violation."""
    violations = list(_violations(data))
    if violations:
        raise ContractError(source, violations)
    features, targets = (_written_out(data.get(side, []), side) for side in _SIDES)
    return Contract(features, targets, tuple(_warnings(data)))


# The rules.


def _violations(data: Any) -> Iterator[Violation]:
    if not isinstance(data, Mapping):
        yield Violation("document", rules.NEEDS_MAPPING, shown(data))
        return
    if "features" not in data:
        yield Violation("features", rules.REQUIRED)
    for side in _SIDES:
        if side in data:
            yield from _side(data[side], side)


def _side(items: Any, side: str) -> Iterator[Violation]:
    if not isinstance(items, list):
        yield Violation(side, rules.NEEDS_LIST, shown(items))
        return
    if side == "features" and not items:
        yield Violation(side, rules.NO_FEATURE)
    wrong = [each for index, item in enumerate(items) for each in _variable(item, place(side, index))]
    yield from wrong
    if not wrong:
        yield from _together(items, side)


def _variable(item: Any, path: str) -> Iterator[Violation]:
    if not isinstance(item, Mapping):
        yield Violation(path, rules.NEEDS_MAPPING, shown(item))
        return
    yield from _name(item, path)
    yield from _one_of(item, path, "dtype", rules.DTYPE, [each.value for each in Dtype])
    yield from _one_of(item, path, "ftype", rules.FTYPE, [_CONTINUOUS, _CATEGORICAL])
    if item.get("ftype") == _CATEGORICAL:
        yield from _values(item, path)
    elif item.get("ftype") == _CONTINUOUS:
        yield from _continuous(item, path)
    if "shape" in item and not _is_shape(item["shape"]):
        yield Violation(place(path, "shape"), rules.SHAPE, shown(item["shape"]))
    if "repeat" in item and not (_is_whole(item["repeat"]) and 1 <= item["repeat"] <= _MAX_REPEAT):
        yield Violation(place(path, "repeat"), rules.REPEAT, shown(item["repeat"]))


def _name(item: Mapping[str, Any], path: str) -> Iterator[Violation]:
    if "name" not in item:
        yield Violation(place(path, "name"), rules.REQUIRED)
    elif not isinstance(item["name"], str) or not item["name"]:
        yield Violation(place(path, "name"), rules.NEEDS_NAME, shown(item["name"]))


def _one_of(item: Mapping[str, Any], path: str, key: str, rule: str, known: Sequence[str]) -> Iterator[Violation]:
    if key not in item:
        yield Violation(place(path, key), rules.REQUIRED)
    elif item[key] not in known:
        hint = known_names(item[key], known) if isinstance(item[key], str) else ""
        yield Violation(place(path, key), rule + hint, shown(item[key]))


def _continuous(item: Mapping[str, Any], path: str) -> Iterator[Violation]:
    if item.get("dtype") == Dtype.STRING.value:
        yield Violation(place(path, "ftype"), rules.TEXT_IS_CATEGORICAL, item["ftype"])
    if "range" not in item:
        return
    bounds, path = item["range"], place(path, "range")
    if not isinstance(bounds, list) or len(bounds) != 2:
        yield Violation(path, rules.RANGE, shown(bounds))
        return
    wrong = [index for index, bound in enumerate(bounds) if bound != _NO_BOUND and not _is_number(bound)]
    for index in wrong:
        yield Violation(place(path, index), rules.RANGE, shown(bounds[index]))
    if not wrong:
        yield from _range(bounds, path, is_int=item.get("dtype") == Dtype.INT.value)


def _range(bounds: Sequence[Any], path: str, is_int: bool) -> Iterator[Violation]:
    low, high = _low(bounds), _high(bounds)
    if low > high:
        yield Violation(path, rules.RANGE_ORDER, list(bounds))
    elif is_int and any(abs(bound) > _MAX_INT for bound in (low, high) if math.isfinite(bound)):
        yield Violation(path, rules.INT_BOUND, list(bounds))
    elif is_int and math.isfinite(low) and math.isfinite(high) and math.ceil(low) > math.floor(high):
        yield Violation(path, rules.NO_WHOLE_NUMBER, list(bounds))


def _values(item: Mapping[str, Any], path: str) -> Iterator[Violation]:
    values, path = item.get("values"), place(path, "values")
    if not isinstance(values, list) or not values:
        yield Violation(path, rules.VALUES, shown(values))
        return
    for index, value in enumerate(values):
        if not _is_of(item.get("dtype"), value):
            yield Violation(place(path, index), rules.VALUE_TYPE, shown(value))
        elif item.get("dtype") == Dtype.INT.value and not isinstance(value, str) and abs(value) > _MAX_INT:
            yield Violation(place(path, index), rules.INT_BOUND, value)


def _is_of(dtype: Any, value: Any) -> bool:
    if isinstance(value, str):
        return True
    match dtype:
        case Dtype.STRING.value:
            return False
        case Dtype.INT.value:
            return _is_number(value) and value == math.floor(value)
        case _:
            return _is_number(value)


def _together(items: Sequence[Mapping[str, Any]], side: str) -> Iterator[Violation]:
    """What is wrong with variables that are fine one by one."""
    n_values = sum(math.prod(_shape(item)) * item.get("repeat", 1) for item in items)
    if n_values > _MAX_VALUES:
        yield Violation(side, rules.WIDTH, n_values)
        return
    for index, item in enumerate(items):
        if _shape(item)[1:] != _shape(items[0])[1:]:
            yield Violation(place(side, index, "shape"), rules.JOINED_SHAPES, list(_shape(item)))
    seen: dict[str, str] = {}
    for index, item in enumerate(items):
        path = place(side, index, "name")
        for name in _names(item, side):
            if name in seen:
                yield Violation(path, f"{rules.DUPLICATE_NAME}; it is also at {seen[name]}", shown(name))
                break
        seen |= dict.fromkeys(_names(item, side), path)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


_LARGEST = 1.7976931348623157e308


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_whole(size) and size >= 1 for size in value)


# What is odd.


def _warnings(data: Mapping[str, Any]) -> Iterator[Violation]:
    yield from _unknown(data, "", _SIDES)
    for side in _SIDES:
        for index, item in enumerate(data.get(side, [])):
            path = place(side, index)
            yield from _unknown(item, path, _FIELDS)
            if "range" in item and item["ftype"] != _CONTINUOUS:
                yield Violation(place(path, "range"), rules.UNUSED_RANGE)
            if "values" in item and item["ftype"] != _CATEGORICAL:
                yield Violation(place(path, "values"), rules.UNUSED_VALUES)


def _unknown(item: Mapping[str, Any], path: str, known: Sequence[str]) -> Iterator[Violation]:
    for key, value in item.items():
        if key not in known:
            yield Violation(place(path, key), rules.UNKNOWN_FIELD + known_names(key, known), shown(value))


# The contract of data that keeps the rules.


def _written_out(items: Sequence[Mapping[str, Any]], side: str) -> tuple[Variable, ...]:
    return tuple(_variable_of(item, name) for item in items for name in _names(item, side))


def _names(item: Mapping[str, Any], side: str) -> list[str]:
    """The names of a variable, once `repeat` is written out: x1, x2, … for features, y:0, y:1, … for targets."""
    name: str = item["name"]
    if "repeat" not in item:
        return [name]
    numbers = range(item["repeat"])
    return [f"{name}{number + 1}" if side == "features" else f"{name}:{number}" for number in numbers]


def _variable_of(item: Mapping[str, Any], name: str) -> Variable:
    dtype = Dtype(item["dtype"])
    is_categorical = item["ftype"] == _CATEGORICAL
    bounds = item.get("range", [_NO_BOUND, _NO_BOUND])
    return Variable(
        name=name,
        dtype=dtype,
        low=-math.inf if is_categorical else _low(bounds),
        high=math.inf if is_categorical else _high(bounds),
        values=tuple(_typed(value, dtype) for value in item["values"]) if is_categorical else (),
        shape=_shape(item),
        is_repeated="repeat" in item,
    )


def _typed(value: Any, dtype: Dtype) -> float | str:
    if isinstance(value, str):
        return value
    return int(value) if dtype is Dtype.INT else float(value)


def _low(bounds: Sequence[Any]) -> float:
    return -math.inf if bounds[0] == _NO_BOUND else float(bounds[0])


def _high(bounds: Sequence[Any]) -> float:
    return math.inf if bounds[1] == _NO_BOUND else float(bounds[1])


def _shape(item: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(item.get("shape", (1,)))
