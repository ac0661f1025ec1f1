"""How keys and tokens are drawn and compared."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from gaal.gateway.keys import digest_of, is_same_secret, looks_like_token, new_key, new_token


def test_a_key_has_20_letters_and_digits() -> None:
    keys = {new_key() for _ in range(1000)}

    assert len(keys) == 1000
    assert all(re.fullmatch("[A-Z0-9]{20}", key) for key in keys)
    assert {character for key in keys for character in key} == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


def test_a_token_has_130_bits_in_base_32() -> None:
    tokens = {new_token() for _ in range(1000)}

    assert len(tokens) == 1000
    assert all(looks_like_token(token.encode()) for token in tokens)
    assert all({token[at] for token in tokens} == set("0123456789abcdefghijklmnopqrstuv") for at in (0, 25))


@given(st.text(), st.text())
def test_only_the_same_secret_is_the_same(one: str, other: str) -> None:
    assert is_same_secret(one, other) is (one.strip() == other.strip() != "")
    assert is_same_secret(f" {one}x\n", f"{one}x".strip()) is True


@given(st.binary())
def test_what_is_no_token_is_seen_at_once(value: bytes) -> None:
    assert looks_like_token(value) is (re.fullmatch(b"[0-9a-v]{26}", value) is not None)
    assert len(digest_of(value)) == 32
