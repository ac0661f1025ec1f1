"""The wire format of protobuf, as far as it takes to leave large bytes where they are while the rest is parsed.

Source: "Encoding" in the documentation of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

LENGTH_DELIMITED = 2


class Field(NamedTuple):
    """A length-delimited field: its number, where it starts with its tag, and where its bytes start and end."""

    number: int
    start: int
    value: int
    end: int


def fields(body: bytes, start: int, end: int) -> Iterator[Field | None]:
    """The length-delimited fields between two places. None, and nothing after it, for anything else that stands there.

    What that is, a whole parser knows to skip or to refuse.
    """
    at = start
    while at < end:
        tag, value = varint(body, at)
        length, value = varint(body, value)
        if tag & 7 != LENGTH_DELIMITED or value + length > end:
            yield None
            return
        yield Field(tag >> 3, at, value, value + length)
        at = value + length


def varint(body: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it. One that does not end is beyond all bodies."""
    value = shift = 0
    while at < len(body) and shift < 64:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 1 << 64, at


def head(number: int, n_bytes: int) -> bytes:
    """What goes before the bytes of a length-delimited field."""
    digits = [number << 3 | LENGTH_DELIMITED]
    while n_bytes >= 0x80:
        digits.append(n_bytes & 0x7F | 0x80)
        n_bytes >>= 7
    return bytes((*digits, n_bytes))


def without(body: bytes, *path: int) -> tuple[bytes, memoryview] | None:
    """The body without a field of bytes, and those bytes, not copied; `path` has the numbers of the fields to it.

    None unless every step of the path is there, and just once.
    """
    view = memoryview(body)
    around: list[tuple[int, memoryview, memoryview]] = []
    start, end = 0, len(body)
    for number in path:
        found = list(fields(body, start, end))
        steps = [each for each in found if each is not None and each.number == number]
        if len(steps) != 1 or found[-1] is None:
            return None
        around.append((number, view[start : steps[0].start], view[steps[0].end : end]))
        start, end = steps[0].value, steps[0].end
    # From the inside: what is left of each message becomes a field of the one around it, at its old place.
    _, *inner = reversed(around)
    parts: list[bytes | memoryview] = [*around[-1][1:]]
    for number, before, after in inner:
        parts = [before, head(number, sum(map(len, parts))), *parts, after]
    return b"".join(parts), view[start:end]
