from __future__ import annotations

import pytest

from gaal.graph.deployment import Parameter
from gaal.graph.parameters import BadParameter, from_json, typed


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        ("3", "INT", 3),
        ("-1", "INT", -1),
        ("0.5", "FLOAT", 0.5),
        ("1e3", "DOUBLE", 1000.0),
        ("0.5", "STRING", "0.5"),
        ("", "STRING", ""),
        *((word, "BOOL", True) for word in ("y", "yes", "t", "true", "True", "ON", "1")),
        *((word, "BOOL", False) for word in ("n", "no", "f", "false", "FALSE", "off", "0")),
    ],
)
def test_a_value_is_read_as_its_type_says(value: str, type_: str, expected: object) -> None:
    [result] = typed([Parameter("a", value, type_)]).values()
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(("value", "type_"), [("x", "INT"), ("1.5", "INT"), ("", "FLOAT"), ("maybe", "BOOL")])
def test_a_value_of_another_type_is_named(value: str, type_: str) -> None:
    with pytest.raises(BadParameter) as raised:
        typed([Parameter("a", value, type_)])
    assert str(raised.value) == f"Bad model parameter: a with value {value} can't be parsed as a {type_}"
    assert raised.value.reason == "MICROSERVICE_BAD_PARAMETER"


def test_an_unknown_type_is_told_the_known_ones() -> None:
    with pytest.raises(BadParameter) as raised:
        typed([Parameter("a", "x", "FOO")])
    assert str(raised.value) == "Bad model parameter type: FOO valid are INT, FLOAT, DOUBLE, STRING, BOOL"


def test_the_last_of_two_parameters_counts() -> None:
    assert typed([Parameter("a", "1", "INT"), Parameter("a", "2", "INT")]) == {"a": 2}


def test_parameters_of_a_command_line_are_json() -> None:
    text = '[{"name":"a","value":"x","type":"STRING"},{"name":"b","value":2,"type":"INT"},' + (
        '{"name":"c","value":true,"type":"BOOL"}]'
    )
    assert typed(from_json(text)) == {"a": "x", "b": 2, "c": True}
    assert from_json("") == ()


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, "5", "[5]", '[{"name":"a"}]', '[{"name":1,"value":"","type":""}]']
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="Bad model parameters"):
        from_json(text)
