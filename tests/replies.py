"""Compares replies with those that the examples and the README promise.

A promised reply may hold `"<any>"` for a value that differs each time, and `{"<one of>": […]}` for several that are
all right. Numbers agree to four digits.
"""

from __future__ import annotations

from math import isclose
from typing import Any

ANY = "<any>"
ONE_OF = "<one of>"


def differences(got: Any, promised: Any, *, proto: bool = False, at: str = "reply") -> list[str]:
    """Where the two differ, a line each. With `proto`, a field with its default value may be missing: protobuf does
    not send it."""
    if promised == ANY:
        return []
    if isinstance(promised, dict) and ONE_OF in promised:
        tried = [differences(got, each, proto=proto, at=at) for each in promised[ONE_OF]]
        return min(tried, key=len)
    if isinstance(promised, dict) and isinstance(got, dict):
        return _in_objects(got, promised, proto, at)
    if isinstance(promised, list) and isinstance(got, list) and len(got) == len(promised):
        pairs = enumerate(zip(got, promised, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, proto=proto, at=f"{at}[{i}]")]
    return [] if _same(got, promised) else [f"{at}: promised {promised!r}, got {got!r}"]


def _in_objects(got: dict[str, Any], promised: dict[str, Any], proto: bool, at: str) -> list[str]:
    found = [f"{at}.{key}: nobody promised that, got {got[key]!r}" for key in got.keys() - promised.keys()]
    for key, value in promised.items():
        if key in got:
            found += differences(got[key], value, proto=proto, at=f"{at}.{key}")
        elif not (proto and value in ("", "COUNTER", 0, [], {})):
            found.append(f"{at}.{key}: missing, promised {value!r}")
    return found


def _same(got: Any, promised: Any) -> bool:
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (got, promised)):
        return bool(got == promised) and type(got) is type(promised)
    return isclose(got, promised, rel_tol=1e-4, abs_tol=1e-4)
