from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Dict, Union  # noqa: UP035

import numpy as np
import pytest
from running import Run, ask

from gaal.components.named_features import by_name, takes_dict
from gaal.errors import ComponentLoadError
from gaal.messages import Kind, Message, Payload
from gaal.protocols.named_tensors import payload_of_arrays


def by_dict(x: dict[str, Any], names: list[str]) -> None: ...
def by_mapping(x: Mapping[str, Any]) -> None: ...
def by_old_dict(x: Dict) -> None: ...  # type: ignore[type-arg]  # noqa: UP006
def by_either(x: Union[Dict[str, Any], np.ndarray]) -> None: ...  # noqa: UP006, UP007
def by_nothing(x, names) -> None: ...  # type: ignore[no-untyped-def]
def by_no_argument() -> None: ...
def by_unknown(x: Nobody) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("function", [by_dict, by_mapping, by_old_dict])
def test_a_method_annotated_with_a_dict_takes_one(function: Any) -> None:
    assert takes_dict(function)


@pytest.mark.parametrize("function", [by_either, by_nothing, by_no_argument, by_unknown, len, print])
def test_any_other_method_takes_what_comes(function: Any) -> None:
    assert not takes_dict(function)


def test_arrays_keep_the_names_that_they_came_with() -> None:
    arrays = {"x": np.ones((1, 2))}
    message = Message(payload_of_arrays(arrays))
    assert message.payload is not None
    assert by_name(message.payload.array, message) == arrays


def test_columns_have_their_names_and_an_array_without_one_gets_one() -> None:
    table = np.array([[1, 2]])
    named = by_name(table, Message(Payload(Kind.TENSOR, table, ("a", "b"))))
    assert {name: column.tolist() for name, column in named.items()} == {"a": [1], "b": [2]}
    assert list(by_name(table, Message(Payload(Kind.TENSOR, table)))) == ["input-0"]
    assert by_name("text", Message(Payload(Kind.STR_DATA, "text"))) == "text"


CODE = """
class Model:
    def predict(self, X: dict, names=None):
        return {name: array.tolist() for name, array in X.items()}

class Batched:
    batch = True

    def predict(self, X: dict, names=None):
        return X
"""


async def test_a_component_gets_columns_of_any_protocol_by_name(run: Run) -> None:
    running = await run("{name: m, type: MODEL, code: Model}", CODE)
    reply = await ask(running, {"data": {"names": ["a", "b"], "ndarray": [[1, 2], [3, 4]]}})
    assert reply["jsonData"] == {"a": [1, 3], "b": [2, 4]}


async def test_rows_are_not_joined_for_a_component_that_wants_names(run: Run) -> None:
    with pytest.raises(ComponentLoadError, match="batch joins arrays, and predict takes them by name"):
        await run("{name: m, type: MODEL, code: Batched}", CODE)
