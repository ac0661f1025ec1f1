from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gaal.errors import MessageError
from gaal.messages import Kind, Payload
from gaal.protocols.named_tensors import arrays_of_payload, payload_of_arrays


def test_one_array_stays_as_it_is() -> None:
    array = np.array([[1.0, 2.0]])
    payload = payload_of_arrays({"x": array})
    assert (payload.kind, payload.array is array, list(payload.names)) == (Kind.TENSOR, True, [])


def test_one_array_told_to_be_a_column_becomes_a_table() -> None:
    payload = payload_of_arrays({"x": np.array([1, 2])}, columns=True)
    assert (payload.array.tolist(), payload.names) == ([[1], [2]], ("x",))


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_columns_become_a_table_of_their_common_type(shape: tuple[int, ...]) -> None:
    arrays = {"a": np.array([1, 2]).reshape(shape), "b": np.array([0.5, 1.5]).reshape(shape)}
    payload = payload_of_arrays(arrays)
    assert (payload.kind, payload.array.dtype.str, payload.names) == (Kind.TENSOR, "<f8", ("a", "b"))
    assert payload.array.tolist() == [[1.0, 0.5], [2.0, 1.5]]


def test_columns_of_numbers_and_texts_keep_their_values() -> None:
    payload = payload_of_arrays({"n": np.array([1, 2]), "t": np.array(["x", "y"], dtype=object)})
    assert payload.kind is Kind.NDARRAY
    assert payload.array.tolist() == [[1, "x"], [2, "y"]]


def test_arrays_that_are_no_columns_stay_apart() -> None:
    arrays = {"a": np.zeros((1, 3)), "b": np.zeros((1, 2))}
    payload = payload_of_arrays(arrays)
    assert payload.kind is Kind.TENSORS
    assert list(payload.value) == ["a", "b"]


def test_columns_told_to_be_none_stay_apart() -> None:
    assert payload_of_arrays({"a": np.zeros(2), "b": np.zeros(2)}, columns=False).kind is Kind.TENSORS


def test_columns_of_several_lengths_are_refused() -> None:
    with pytest.raises(MessageError, match=r"inputs: columns must have the shape .n,. or .n, 1., with the same n"):
        payload_of_arrays({"a": np.zeros(2), "b": np.zeros(3)}, columns=True)


def shown(payload: Payload, *asked: str) -> dict[str, Any]:
    return {name: array.tolist() for name, array in arrays_of_payload(payload, asked, "output-0").items()}


def test_one_array_takes_the_name_that_is_asked_for() -> None:
    payload = Payload(Kind.TENSOR, np.array([1, 2]))
    assert shown(payload) == {"output-0": [1, 2]}
    assert shown(payload, "scores") == {"scores": [1, 2]}


def test_columns_can_be_asked_for_by_name() -> None:
    payload = Payload(Kind.NDARRAY, [[1, 2], [3, 4]], ("a", "b"))
    assert shown(payload, "b", "a") == {"b": [2, 4], "a": [1, 3]}
    assert shown(payload, "all") == {"all": [[1, 2], [3, 4]]}


def test_an_object_of_arrays_has_names_of_its_own() -> None:
    payload = Payload(Kind.JSON_DATA, {"label": ["x"], "score": np.array([0.5])})
    assert shown(payload) == {"label": ["x"], "score": [0.5]}
    assert shown(payload, "score") == {"score": [0.5]}
    with pytest.raises(MessageError, match=r"outputs\[0\].name: must be one of label, score \(got 'other'\)"):
        shown(payload, "other")


def test_a_table_of_numbers_beside_texts_is_its_columns() -> None:
    table = np.array([[1, "x"], [2, "y"]], dtype=object)
    assert shown(Payload(Kind.NDARRAY, table, ("n", "t"))) == {"n": [1, 2], "t": ["x", "y"]}
    assert shown(Payload(Kind.NDARRAY, table)) == {"output-0": [[1, "x"], [2, "y"]]}
    texts = np.array([["a", "b"]], dtype=object)
    assert shown(Payload(Kind.NDARRAY, texts, ("n", "t"))) == {"output-0": [["a", "b"]]}


@pytest.mark.parametrize("value", [{"a": 1}, {"a": [1, "x"]}, {"a": [[1], [1, 2]]}, {"a": [{}]}, {}, [1], "x", None])
def test_any_other_json_value_is_one_text(value: Any) -> None:
    [text] = shown(Payload(Kind.JSON_DATA, value))["output-0"]
    assert isinstance(text, str)


def test_one_array_has_no_two_names() -> None:
    with pytest.raises(MessageError, match="outputs: must name one output or columns: the reply is one array with"):
        shown(Payload(Kind.TENSOR, np.zeros((1, 2)), ("a", "b")), "a", "c")
