from __future__ import annotations

import pytest
from replies import differences


@pytest.mark.parametrize(
    ("got", "promised"),
    [
        ({"a": 1.00001, "b": [1, "x", None]}, {"a": 1, "b": [1, "x", None]}),
        ({"puid": "f00"}, {"puid": "<any>"}),
        ({"x": 2}, {"<one of>": [{"x": 1}, {"x": 2}]}),
    ],
)
def test_what_was_promised_has_no_differences(got: object, promised: object) -> None:
    assert differences(got, promised) == []


@pytest.mark.parametrize(
    ("got", "promised", "where"),
    [
        ({"a": 1.001}, {"a": 1}, "reply.a"),
        ({"a": True}, {"a": 1}, "reply.a"),
        ({"a": [1, 2]}, {"a": [1]}, "reply.a"),
        ({"a": 1, "b": 2}, {"a": 1}, "reply.b"),
        ({}, {"a": 0}, "reply.a"),
        ({"x": 3}, {"<one of>": [{"x": 1}, {"x": 2}]}, "reply.x"),
    ],
)
def test_anything_else_is_named_by_its_place(got: object, promised: object, where: str) -> None:
    [line] = differences(got, promised)

    assert line.startswith(where)


def test_protobuf_leaves_out_what_has_its_default_value() -> None:
    assert differences({}, {"type": "COUNTER", "names": []}, proto=True) == []
    assert differences({}, {"type": "GAUGE"}, proto=True) != []
