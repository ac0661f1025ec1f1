from __future__ import annotations

import datetime
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from gaal.errors import MessageError
from gaal.messages import Array
from gaal.protocols.json_text import dump, dump_line, parse, parse_exactly, plain, printable, shortened

from .strategies import doubles, int64s, json_values


@given(json_values(doubles | int64s))
def test_values_survive(value: Any) -> None:
    assert parse(dump(value)) == value


@given(json_values(int64s))
def test_a_line_is_what_the_standard_library_prints(value: Any) -> None:
    assert dump_line(value).decode() == json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n"


@given(json_values(doubles))
def test_the_doubles_of_a_line_survive(value: Any) -> None:
    assert json.loads(dump_line(value)) == value


def test_a_line_has_bare_non_finite_numbers_arrays_and_nothing_beyond_ascii() -> None:
    value = {"ü": [np.array([1.0, math.nan]), None, math.inf], "a": np.array([[1, 2]]), 1: "\U0001f600"}
    assert dump_line(value) == b'{"1":"\\ud83d\\ude00","a":[[1,2]],"\\u00fc":[[1.0,NaN],null,Infinity]}\n'


def test_a_line_cannot_be_nested_too_deep() -> None:
    nested: Any = None
    for _ in range(2000):
        nested = [nested]
    with pytest.raises(MessageError, match="nested too deep"):
        dump_line(nested)


def test_64_bit_integers_stay_exact() -> None:
    assert parse(b"[9223372036854775807, -9223372036854775808, 18446744073709551615]") == [
        2**63 - 1,
        -(2**63),
        2**64 - 1,
    ]


def test_longer_integers_become_the_nearest_double_unless_asked_for_exactly() -> None:
    text = b"[123456789012345678901234567890]"
    assert parse(text) == [1.2345678901234568e29]
    assert parse(text.replace(b"]", b", NaN]"))[0] == 1.2345678901234568e29
    assert parse_exactly(text) == [123456789012345678901234567890]
    assert dump(parse_exactly(text)) == text


def test_non_finite_numbers_are_read_bare_and_written_by_name() -> None:
    value = parse(b'{"a": [NaN, Infinity, -Infinity, 1]}')
    assert math.isnan(value["a"][0])
    assert value["a"][1:] == [math.inf, -math.inf, 1]
    assert dump(value) == b'{"a":["NaN","Infinity","-Infinity",1]}'
    assert dump(value, bare_non_finite=True) == b'{"a":[NaN,Infinity,-Infinity,1]}'


def test_a_true_null_stays_null_beside_a_non_finite_number() -> None:
    assert dump([None, math.nan, "null"]) == b'[null,"NaN","null"]'


def test_arrays_and_scalars_of_numpy_stand_anywhere() -> None:
    value = {"a": np.float64(0.5), "b": [np.int64(2), np.bool_(True)], "c": np.eye(2), "d": (np.array(["x"]),)}
    assert dump(value) == b'{"a":0.5,"b":[2,true],"c":[[1.0,0.0],[0.0,1.0]],"d":[["x"]]}'


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.array([0.1], np.float32), b"[0.10000000149011612]"),
        (np.array([0.1], np.float16), b"[0.0999755859375]"),
        (np.array([0.1], np.longdouble), b"[0.1]"),
        (np.arange(3, dtype=">f8"), b"[0.0,1.0,2.0]"),
        (np.arange(3, dtype=">i4"), b"[0,1,2]"),
        (np.arange(6).reshape(2, 3).T, b"[[0,3],[1,4],[2,5]]"),
        (np.arange(6)[::2], b"[0,2,4]"),
        (np.array([True, False]), b"[true,false]"),
        (np.array(["ä", "b"]), '["ä","b"]'.encode()),
        (np.array([b"a", b"b"]), b'["a","b"]'),
        (np.array([1, "a", None, 2.5], dtype=object), b'[1,"a",null,2.5]'),
        (np.array(1.5), b"1.5"),
        (np.array([2**64 - 1], np.uint64), b"[18446744073709551615]"),
        (np.array([np.nan, np.inf]), b'["NaN","Infinity"]'),
        (np.zeros((2, 0)), b"[[],[]]"),
    ],
)
def test_every_array_is_printed(array: Array, text: bytes) -> None:
    assert dump(printable(array)) == text
    assert dump(plain(array)) == text


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), np.array([1j]), [1j], datetime.date(2020, 1, 1), {(1, 2): 3}, b"\xff"], ids=repr
)
def test_what_is_no_json_value_is_refused(value: Any) -> None:
    with pytest.raises(MessageError):
        dump(value)
    with pytest.raises(MessageError):
        plain(value)


def test_keys_of_other_types_are_printed_as_the_standard_library_does() -> None:
    assert dump({1: 2, None: 3, False: 4, 1.5: 5, np.int64(7): 6}) == b'{"1":2,"null":3,"false":4,"1.5":5,"7":6}'


def test_what_orjson_finds_too_deep_is_still_printed() -> None:
    value: Any = 1
    for _ in range(400):
        value = [value]
    assert dump(value) == b"[" * 400 + b"1" + b"]" * 400


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"[NaN,"])
def test_a_depth_of_ten_thousand_is_refused(opening: bytes) -> None:
    with pytest.raises(MessageError, match="malformed JSON"):
        parse(opening * 10_000)


def test_a_value_of_a_depth_of_ten_thousand_is_refused() -> None:
    value: Any = 1
    for _ in range(10_000):
        value = [value]
    with pytest.raises(MessageError, match="nested too deep"):
        dump(value)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b'{"a": }', "line 1 column 7"),
        (b'{"a": NaN', "line 1 column 10"),
        (b"\xff\xfe", "malformed JSON"),
        (b'["NaN", "\xff"]', "malformed JSON"),
        (b"[1] 2", "malformed JSON"),
    ],
)
def test_malformed_text_is_refused_with_its_position(body: bytes, text: str) -> None:
    with pytest.raises(MessageError, match=text):
        parse(body)


def test_an_error_shows_no_whole_payload() -> None:
    for value in ("x" * 10_000, list(range(10_000)), {str(i): "y" * 100 for i in range(100)}, [["z" * 70] * 9] * 9):
        assert len(shortened(value)) <= 80
