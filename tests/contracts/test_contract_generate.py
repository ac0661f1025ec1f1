"""What is drawn from a contract keeps it, whatever the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_contracts import categorical, contract, feature

from gaal.contracts.contract import Contract
from gaal.contracts.generate import batch
from gaal.contracts.replies import broken_rules
from gaal.messages import Array, Kind, Message, Payload

BOUNDS = st.floats(-1e300, 1e300) | st.floats(-10, 10)
INT_BOUNDS = st.floats(-(2**53), 2**53) | st.floats(-10, 10) | st.integers(-5, 5)
TEXTS = st.text(max_size=3)


@st.composite
def ranges(draw: st.DrawFn, dtype: str) -> list[Any]:
    low, high = sorted(draw(st.tuples(*[INT_BOUNDS if dtype == "INT" else BOUNDS] * 2)))
    if dtype == "INT":
        high = min(high + 1, 2**53)  # so that there is a whole number between them
        low = min(low, high - 1)
    return [draw(st.sampled_from([low, "inf"])), draw(st.sampled_from([high, "inf"]))]


@st.composite
def variables(draw: st.DrawFn, name: str, inner: list[int]) -> dict[str, Any]:
    dtype = draw(st.sampled_from(["FLOAT", "INT"]))
    shape = [draw(st.integers(1, 3)), *inner]
    has_shape, has_repeat, is_categorical = (draw(st.booleans()) for _ in range(3))
    fields: dict[str, Any] = {"shape": shape} if inner or has_shape else {}
    if has_repeat:
        fields["repeat"] = draw(st.integers(1, 3))
    if is_categorical:
        numbers = st.integers(-(2**53), 2**53) if dtype == "INT" else BOUNDS
        return categorical(name, draw(st.lists(numbers | TEXTS, min_size=1, max_size=4)), dtype, **fields)
    return feature(name, dtype=dtype, range=draw(ranges(dtype)), **fields)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    inner: list[int] = draw(st.lists(st.integers(1, 3), max_size=1))
    names = "abcd"[: draw(st.integers(1, 4))]
    return contract(*[draw(variables(name, inner)) for name in names])


def drawn(*targets: dict[str, Any], n_rows: int = 50, seed: int = 1) -> Array:
    return batch(contract(*targets).targets, n_rows, np.random.default_rng(seed))


@given(contracts(), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_generated_rows_keep_every_rule_of_their_own_contract(made: Contract, n_rows: int, seed: int) -> None:
    rows = batch(made.targets, n_rows, np.random.default_rng(seed))
    names = [each.name for each in made.targets]
    message = Message(Payload(Kind.NDARRAY, rows.tolist(), names if len(names) == rows.shape[1] else ()))

    assert broken_rules(message, made.targets, n_rows) == []


@given(contracts(), st.integers(0, 2**32 - 1))
def test_the_same_seed_draws_the_same_rows(made: Contract, seed: int) -> None:
    first, second = (batch(made.targets, 3, np.random.default_rng(seed)).tolist() for _ in range(2))

    assert first == second


def test_columns_stand_in_the_order_of_the_contract() -> None:
    rows = drawn(
        feature("a", range=[0, 1], repeat=2), feature("b", range=[5, 6]), feature("c", shape=[2], range=[9, 9])
    )

    assert rows.shape == (50, 5)
    assert (rows[:, :2] <= 1).all()
    assert ((rows[:, 2] >= 5) & (rows[:, 2] <= 6)).all()
    assert (rows[:, 3:] == 9).all()


def test_further_dimensions_of_a_shape_are_kept() -> None:
    assert drawn(feature("image", shape=[2, 4, 3]), feature("mask", shape=[1, 4, 3])).shape == (50, 3, 4, 3)


def test_floats_are_rounded_to_three_decimals() -> None:
    rows = drawn(feature(range=[0, 1]))

    assert (np.round(rows, 3) == rows).all()


@pytest.mark.parametrize(
    ("bounds", "low", "high"), [([3, "inf"], 3, np.inf), (["inf", -3], -np.inf, -3), (["inf", "inf"], -10, 10)]
)
def test_an_open_range_is_drawn_from_beyond_its_bound(bounds: list[Any], low: float, high: float) -> None:
    rows = drawn(feature(range=bounds), n_rows=1000)

    assert ((rows >= low) & (rows <= high)).all()
    assert rows.std() > 0.5


@pytest.mark.parametrize(
    ("targets", "dtype"),
    [
        ([feature("a"), feature("b")], np.float64),
        ([feature("a", dtype="INT"), categorical("b", [1, 2])], np.int64),
        ([feature("a", dtype="INT"), feature("b")], object),
        ([feature("a"), categorical("b", ["u", "v"])], object),
    ],
)
def test_mixed_types_make_an_array_of_objects(targets: list[dict[str, Any]], dtype: Any) -> None:
    assert drawn(*targets).dtype == dtype


def test_an_int_is_rounded_to_whole_numbers_within_its_range() -> None:
    assert set(drawn(feature(dtype="INT", range=[0.5, 3.5]), n_rows=500)[:, 0].tolist()) == {1, 2, 3}


def test_every_value_of_a_categorical_comes_up() -> None:
    assert set(drawn(categorical("k", ["a", 1, 2]), n_rows=200)[:, 0].tolist()) == {"a", 1, 2}
