"""A contract.json: what it means, and each rule that it is held to."""

from __future__ import annotations

import math
from typing import Any

import pytest
from made_contracts import categorical, contract, feature

from gaal.contracts import rules
from gaal.contracts.contract import Dtype, Variable
from gaal.contracts.read import contract_of, looks_like_contract
from gaal.errors import ContractError, Violation


def violations(features: Any = None, targets: Any = None) -> tuple[Violation, ...]:
    data = {"features": [feature()] if features is None else features, "targets": [] if targets is None else targets}
    with pytest.raises(ContractError) as raised:
        contract_of(data, "test.json")
    return raised.value.violations


def test_a_range_bounds_a_continuous_variable() -> None:
    assert contract(features=[feature(range=[4, 8.5])]).features == (Variable("x", Dtype.FLOAT, 4, 8.5),)


@pytest.mark.parametrize("bounds", [["inf", "inf"], None])
def test_inf_is_no_bound_and_so_is_no_range(bounds: list[str] | None) -> None:
    fields: dict[str, Any] = {} if bounds is None else {"range": bounds}

    [variable] = contract(features=[feature(**fields)]).features

    assert (variable.low, variable.high) == (-math.inf, math.inf)


def test_repeat_numbers_features_from_one_and_targets_from_nought() -> None:
    read = contract(feature("class", repeat=3), features=[feature(repeat=2), feature("y")])

    assert [each.name for each in read.features] == ["x1", "x2", "y"]
    assert [each.name for each in read.targets] == ["class:0", "class:1", "class:2"]
    assert [each.is_repeated for each in read.features] == [True, True, False]


def test_the_values_of_a_categorical_have_its_type() -> None:
    read = contract(
        features=[categorical("k", [1.0, 2], "INT"), categorical("f", [1], "FLOAT"), categorical("t", ["a"])]
    )

    assert [each.values for each in read.features] == [(1, 2), (1.0,), ("a",)]
    assert [type(each.values[0]) for each in read.features] == [int, float, str]


def test_a_contract_without_targets_is_one() -> None:
    assert contract_of({"features": [feature()]}, "test").targets == ()


FEATURE_RULES: list[tuple[Any, str, str, Any]] = [
    (5, "", rules.NEEDS_MAPPING, 5),
    ({"dtype": "INT", "ftype": "continuous"}, ".name", rules.REQUIRED, None),
    (feature(""), ".name", rules.NEEDS_NAME, ""),
    ({"name": "x", "ftype": "continuous"}, ".dtype", rules.REQUIRED, None),
    (feature(dtype="DOUBLE"), ".dtype", rules.DTYPE, "DOUBLE"),
    (feature(dtype="STRING"), ".ftype", rules.TEXT_IS_CATEGORICAL, "continuous"),
    ({"name": "x", "dtype": "INT"}, ".ftype", rules.REQUIRED, None),
    (feature(ftype="discrete"), ".ftype", rules.FTYPE, "discrete"),
    (feature(ftype=["continuous"]), ".ftype", rules.FTYPE, "['continuous']"),
    (feature(range=[1]), ".range", rules.RANGE, "[1]"),
    (feature(range=[0, "one"]), ".range[1]", rules.RANGE, "one"),
    (feature(range=[True, 1]), ".range[0]", rules.RANGE, True),
    (feature(range=[0, math.inf]), ".range[1]", rules.RANGE, math.inf),
    (feature(range=[2, 1]), ".range", rules.RANGE_ORDER, [2, 1]),
    (feature(dtype="INT", range=[0.6, 0.9]), ".range", rules.NO_WHOLE_NUMBER, [0.6, 0.9]),
    (feature(dtype="INT", range=[0, 2**54]), ".range", rules.INT_BOUND, [0, 2**54]),
    ({"name": "x", "dtype": "INT", "ftype": "categorical"}, ".values", rules.VALUES, None),
    (categorical("x", []), ".values", rules.VALUES, "[]"),
    (categorical("x", [1, 1.5]), ".values[1]", rules.VALUE_TYPE, 1.5),
    (categorical("x", [2**60]), ".values[0]", rules.INT_BOUND, 2**60),
    (categorical("x", ["a", 1], "STRING"), ".values[1]", rules.VALUE_TYPE, 1),
    (categorical("x", [None], "FLOAT"), ".values[0]", rules.VALUE_TYPE, None),
    (feature(shape=[]), ".shape", rules.SHAPE, "[]"),
    (feature(shape=[2, 0]), ".shape", rules.SHAPE, "[2, 0]"),
    (feature(shape=3), ".shape", rules.SHAPE, 3),
    (feature(repeat=0), ".repeat", rules.REPEAT, 0),
    (feature(repeat=100_001), ".repeat", rules.REPEAT, 100_001),
    (feature(repeat=True), ".repeat", rules.REPEAT, True),
]


@pytest.mark.parametrize(("item", "path", "rule", "value"), FEATURE_RULES)
@pytest.mark.parametrize("side", ["features", "targets"])
def test_a_variable_keeps_the_rules(item: Any, path: str, rule: str, value: Any, side: str) -> None:
    [broken] = violations(**{side: [item]})

    assert broken.path == f"{side}[0]{path}"
    assert broken.rule.startswith(rule)
    assert broken.value == value


def test_the_sides_keep_the_rules() -> None:
    assert violations(features=[]) == (Violation("features", rules.NO_FEATURE),)
    assert violations(features={"x": 1}) == (Violation("features", rules.NEEDS_LIST, "{'x': 1}"),)
    assert violations(targets="y") == (Violation("targets", rules.NEEDS_LIST, "y"),)
    assert violations(features=[feature(shape=[1000, 1001])]) == (Violation("features", rules.WIDTH, 1_001_000),)


def test_the_document_is_a_mapping_with_features() -> None:
    for data, path, rule in (([1], "document", rules.NEEDS_MAPPING), ({"targets": []}, "features", rules.REQUIRED)):
        with pytest.raises(ContractError) as raised:
            contract_of(data, "test.json")
        assert [(each.path, each.rule) for each in raised.value.violations] == [(path, rule)]


def test_shapes_agree_in_all_but_the_first_dimension() -> None:
    fine = contract(features=[feature("a", shape=[2, 3]), feature("b", shape=[1, 3])])
    broken = violations(features=[feature("a", shape=[2, 3]), feature("b")])

    assert [each.n_columns for each in fine.features] == [2, 1]
    assert broken == (Violation("features[1].shape", rules.JOINED_SHAPES, [1]),)


def test_a_name_that_repeat_makes_may_not_be_there_already() -> None:
    [broken] = violations(features=[feature("x1"), feature("y"), feature("x", repeat=2)])

    assert broken == Violation("features[2].name", f"{rules.DUPLICATE_NAME}; it is also at features[0].name", "x1")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    broken = violations(features=[feature(dtype="F", range=[2, 1]), feature(ftype="c")], targets=[feature(repeat=-1)])

    paths = ["features[0].dtype", "features[0].range", "features[1].ftype", "targets[0].repeat"]
    assert [each.path for each in broken] == paths


def test_what_is_odd_is_warned_of() -> None:
    data = {"features": [feature(rnage=[1, 2], values=[1]), categorical("k", [1], range=[0, 1])], "target": []}

    found = [(each.path, each.rule) for each in contract_of(data, "test").warnings]

    assert found == [
        ("target", f'{rules.UNKNOWN_FIELD}; did you mean "targets"?'),
        ("features[0].rnage", f'{rules.UNKNOWN_FIELD}; did you mean "range"?'),
        ("features[0].values", rules.UNUSED_VALUES),
        ("features[1].range", rules.UNUSED_RANGE),
    ]


@pytest.mark.parametrize(("data", "expected"), [({"targets": 1}, True), ({"kind": "x"}, False), ([], False)])
def test_a_contract_is_told_by_its_fields(data: Any, expected: bool) -> None:
    assert looks_like_contract(data) is expected
