"""Prediction unique ids."""

from __future__ import annotations

from os import urandom

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_puid() -> str:
    """A random UUID, version 4, as text. A quarter of the time of `str(uuid.uuid4())`, which makes an object first."""
    digits = urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"
