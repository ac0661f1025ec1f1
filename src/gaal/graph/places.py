"""Where a value stands in a document (`spec.predictors[0].graph.name`), and how it is shown."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_STEP = re.compile(r"[.\[]")
_SHOWN_CHARACTERS = 120
# Comparing takes time by the number of names and by their lengths.
_COMPARED_NAMES = 40


def place(path: str, *steps: str | int) -> str:
    """`path` and some steps further: `.key`, `[index]`, or `["odd/key"]` where a key has other signs in it."""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            path += step if not path or path.endswith(": ") else f".{step}"
        else:
            path += f'["{printable(shown(step))}"]'
    return path


def around(path: str) -> Iterator[str]:
    """A place, and every place that it stands in."""
    yield path
    for step in _STEP.finditer(path):
        yield path[: step.start()]


def shown(value: Any) -> Any:
    """`value` itself where it is short, else an abridged text of it."""
    if isinstance(value, str):
        return value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
    return reprlib.repr(value) if isinstance(value, dict | list) else value


def printable(text: str) -> str:
    """`text` on one line and in signs that every output can encode."""
    return text if text.isprintable() else ascii(text)[1:-1]


def known_names(value: str, names: Iterable[str]) -> str:
    """The end of a rule about names: the nearest one to `value`, or all of them where none is near."""
    names = list(names)[:_COMPARED_NAMES]
    near = difflib.get_close_matches(value[:_SHOWN_CHARACTERS].upper(), [name.upper() for name in names], n=1)
    if near:
        name = next(name for name in names if name.upper() == near[0])
        return f'; did you mean "{printable(name)}"?'
    return f"; known are {printable(', '.join(names))}" if names else ""
