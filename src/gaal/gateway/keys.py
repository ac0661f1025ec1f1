"""Keys, secrets and tokens: how they are drawn, and what of a token is kept."""

from __future__ import annotations

import re
import secrets
import string
from hashlib import sha256
from hmac import compare_digest

KEY_CHARACTERS = string.ascii_uppercase + string.digits
KEY_LENGTH = 20
"""103 random bits, for keys and secrets alike."""

TOKEN_CHARACTERS = string.digits + "abcdefghijklmnopqrstuv"
TOKEN_LENGTH = 26
"""130 random bits in base 32."""

_TOKEN = re.compile(rb"[0-9a-v]{26}")


def new_key() -> str:
    return "".join(secrets.choice(KEY_CHARACTERS) for _ in range(KEY_LENGTH))


def new_secret() -> str:
    return new_key()


def new_token() -> str:
    bits = secrets.randbits(5 * TOKEN_LENGTH)
    return "".join(TOKEN_CHARACTERS[bits >> 5 * at & 31] for at in range(TOKEN_LENGTH))


def looks_like_token(token: bytes) -> bool:
    """Whether this can be a token of Gaal's: what cannot need not be looked for in the store."""
    return _TOKEN.fullmatch(token) is not None


def digest_of(token: bytes) -> bytes:
    """What of a token is kept. It has too many random bits for anybody to try them all, so it needs no salt."""
    return sha256(token).digest()


def is_same_secret(given: str, kept: str) -> bool:
    """Compares in a time that tells nothing of `kept`. An empty secret is nobody's.

    Blanks around either do not count, as in Seldon Server.
    """
    return compare_digest(given.strip().encode(), kept.strip().encode()) and bool(kept.strip())
