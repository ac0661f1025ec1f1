from __future__ import annotations

from typing import Any

import pytest

from gaal.errors import MessageError
from gaal.protocols.model_metadata import DATATYPES, merged


def test_the_image_is_the_default_and_what_the_user_says_wins() -> None:
    assert merged("registry:5000/iris:0.1", {}, {}).name == "registry:5000/iris"
    assert merged("registry:5000/iris:0.1", {}, {}).versions == ("0.1",)
    metadata = merged("iris:1", {"name": "own", "platform": "numpy"}, {"name": "given"})
    assert (metadata.name, metadata.platform, metadata.versions) == ("given", "numpy", ("1",))


@pytest.mark.parametrize(
    "description",
    [
        {"messagetype": "tensor", "schema": {"names": ["a"], "shape": [1]}},
        {"messagetype": "ndarray", "schema": {"shape": [2, 3]}},
        {"messagetype": "tftensor"},
        {"messagetype": "strData"},
        {"messagetype": "binData"},
        {"messagetype": "jsonData", "schema": {"type": "object"}},
        {"messagetype": "my-own", "schema": {"anything": [1]}},
        *({"name": "x", "datatype": datatype, "shape": [1]} for datatype in DATATYPES),
    ],
)
def test_what_may_be_said_of_an_input(description: dict[str, Any]) -> None:
    assert list(merged("", {"inputs": [description]}, {}).inputs) == [description]


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (["list"], r"init_metadata: must be an object"),
        ({"extra": 1}, r"metadata: must have no other fields than name, versions"),
        ({"name": 1}, r"metadata.name: must be a string"),
        ({"versions": "v1"}, r"metadata.versions: must be an array"),
        ({"custom": {"a": 1}}, r"metadata.custom.a: must be a string"),
        ({"inputs": 5}, r"inputs: must be a list"),
        ({"outputs": ["x"]}, r"outputs\[0\]: must be an object"),
        ({"inputs": [{"messagetype": "strData", "schema": {}}]}, r"inputs\[0\]: must have no other fields"),
        (
            {"inputs": [{"messagetype": "tensor", "schema": {"shape": "2"}}]},
            r"inputs\[0\].schema.shape: must be a list",
        ),
        ({"inputs": [{"messagetype": "tensor", "schema": {"shape": [1.5]}}]}, r"shape\[0\]: must be an integer"),
        ({"inputs": [{"messagetype": "tensor", "schema": {"names": [1]}}]}, r"names\[0\]: must be text"),
        ({"inputs": [{"messagetype": "tensor", "schema": {"more": 1}}]}, r"schema: must have no other fields"),
        ({"inputs": [{"messagetype": "own", "schema": []}]}, r"inputs\[0\].schema: must be an object"),
        ({"inputs": [{"name": "x", "datatype": "FP99"}]}, r"inputs\[0\].datatype: must be one of BOOL"),
    ],
)
def test_what_is_no_metadata_is_refused_with_its_place(own: Any, told: str) -> None:
    with pytest.raises(MessageError, match=told):
        merged("", own, {})
