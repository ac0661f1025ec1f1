"""Bytes in JSON, as proto3 JSON reads and writes them."""

from __future__ import annotations

from base64 import b64encode
from binascii import a2b_base64
from typing import Any

from gaal.protocols.json_text import refusal


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding."""
    return b64encode(data).decode("ascii")


def decode_base64(text: Any, place: str) -> bytes:
    """Standard and URL-safe base64, with or without padding. Raises MessageError, naming the place."""
    if not isinstance(text, str):
        raise refusal(place, "must be a base64 string", text)
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(standard + "=" * (-len(standard) % 4), strict_mode=True)
    except ValueError as error:
        raise refusal(place, f"must be base64: {error}", text) from None
