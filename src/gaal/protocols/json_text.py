"""JSON text ⇄ Python values, with the numbers that JSON has no literals for.

NaN and the infinities are read as bare literals (`NaN`, `Infinity`, `-Infinity`), and written as the strings that
proto3 JSON gives them, or bare where a protocol wants them so. Depth is limited to about a thousand levels.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from reprlib import Repr
from typing import Any

import numpy as np
import orjson

from gaal.errors import MessageError
from gaal.messages import Array

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The names of proto3 JSON for the numbers without a literal."""

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_LONG_INTEGER = re.compile(rb"\d{19}")
_NOT_PRINTABLE = re.compile(r"[^\x00-\x7e]+")
_FLOAT64 = np.dtype(np.float64)


def parse(body: bytes) -> Any:
    """Integers of up to 64 bits stay exact; longer ones become the nearest double.

    Raises MessageError with the position of what is wrong.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            raise MessageError("the body is empty: must be JSON") from None
        if b"NaN" in body or b"Infinity" in body:
            return _parse_slowly(body, _double_if_long)
        raise MessageError(f"malformed JSON: {error}") from None


def parse_exactly(body: bytes) -> Any:
    """As `parse`, but integers of any length stay exact."""
    return _parse_slowly(body, int) if _LONG_INTEGER.search(body) else parse(body)


def dump(value: Any, *, bare_non_finite: bool = False) -> bytes:
    """Compact JSON. Arrays and scalars of NumPy may stand anywhere in `value`.

    Raises MessageError for what is no JSON value.
    """
    try:
        text = orjson.dumps(value, option=_OPTIONS)
    except TypeError:
        return _dump_slowly(value, bare_non_finite)
    # orjson prints null for NaN and the infinities.
    return _dump_slowly(value, bare_non_finite) if b"null" in text else text


def dump_line(value: Any) -> bytes:
    """As the Seldon Core Python wrapper prints JSON: compact, keys sorted, ASCII, bare NaN, a newline at the end.

    Raises MessageError for what is no JSON value.
    """
    try:
        text = orjson.dumps(value, option=_OPTIONS | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        text = b"null"
    if b"null" in text:  # a null, or what orjson prints as one; the standard library knows the difference
        try:
            text = json.dumps(plain(value), separators=(",", ":"), sort_keys=True).encode() + b"\n"
        except RecursionError:
            raise MessageError("the JSON value is nested too deep") from None
    return text if text.isascii() and b"\x7f" not in text else _ascii(text)


def _ascii(text: bytes) -> bytes:
    """JSON text with an escape for every character beyond printable ASCII. Outside of strings there is none."""
    return _NOT_PRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1], text.decode()).encode()


def printable(array: Array) -> Any:
    """An array in a form that `dump` prints at once: numbers as 64-bit ones, strings as lists.

    Raises MessageError for complex numbers, which JSON cannot hold.
    """
    if array.dtype is _FLOAT64 and array.flags.c_contiguous and array.ndim:
        return array
    if array.ndim == 0 or array.dtype.kind not in "fiub":
        return listed(array)
    dtype = np.float64 if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    return np.ascontiguousarray(array, dtype=dtype)


def listed(array: Array) -> Any:
    """An array as nested lists of Python values. Raises MessageError for what JSON cannot hold."""
    if array.dtype.kind == "c":
        raise MessageError(f"JSON has no complex numbers (got an array of {array.dtype})")
    if array.dtype.kind == "f":
        array = array.astype(np.float64, copy=False)
    values = array.tolist()
    return values if array.dtype.kind in "fiubU" else plain(values)


def plain(value: Any, of_float: Callable[[float], Any] = float) -> Any:
    """A copy made of dicts, lists, str, int, bool, None and what `of_float` makes of floats; bytes are UTF-8 text.

    Raises MessageError for anything else, and for a depth of about a thousand.
    """
    try:
        return _plain(value, of_float)
    except RecursionError:
        raise MessageError("the JSON value is nested too deep") from None


def shortened(value: Any) -> str:
    """At most 80 characters of a value: an error shows what is wrong, and no whole payload."""
    short = Repr()
    short.maxstring = short.maxother = 60
    short.maxlevel = 3
    shown = short.repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def refusal(place: str, rule: str, value: Any) -> MessageError:
    """The error for a value that breaks a rule at a place such as `data.tensor.shape`."""
    return MessageError(f"{place}: {rule} (got {shortened(value)})")


def _plain(value: Any, of_float: Callable[[float], Any]) -> Any:
    match value:
        case None | str() | int():
            return value
        case float():
            return of_float(value)
        case dict():
            return {_key(key): _plain(item, of_float) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, of_float) for item in value]
        case bytes():
            return _text(value)
        case np.ndarray() if value.dtype.kind != "c":
            return _plain(value.tolist(), of_float)
        case np.floating():
            return of_float(float(value))
        case np.integer() | np.bool_():
            return value.item()
    raise MessageError(f"{type(value).__name__} is no JSON value (got {shortened(value)})")


def _key(key: Any) -> str:
    """The key of an object as the standard library prints it: `1`, `true`, `null`."""
    if isinstance(key, str):
        return key
    if isinstance(key, (bool, int, float, type(None), np.generic)):
        return json.dumps(_plain(key, float))
    raise MessageError(f"{type(key).__name__} is no key of a JSON object (got {shortened(key)})")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MessageError(f"bytes are no JSON value unless they are UTF-8 (got {shortened(value)})") from None


def _name_of_non_finite(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _dump_slowly(value: Any, bare_non_finite: bool) -> bytes:
    """Prints what orjson does not: non-finite numbers, long integers, odd arrays and keys, depths beyond 254."""
    value = plain(value, float if bare_non_finite else _name_of_non_finite)
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        raise MessageError("the JSON value is nested too deep") from None


def _parse_slowly(body: bytes, of_integer: Callable[[str], float]) -> Any:
    try:
        return json.loads(body, parse_int=of_integer)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"malformed JSON: {error}") from None


def _double_if_long(digits: str) -> float:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(digits)
