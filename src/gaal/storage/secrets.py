"""Secrets at rest: AES-GCM with a key that is not in the database."""

from __future__ import annotations

import binascii
import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

from gaal.errors import StoreError
from gaal.storage import private_files

FILE_NAME = "secret.key"
VARIABLE = "GAAL_SECRET_KEY"

_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


class SecretKey:
    """The key that secrets are encrypted with. `source` names where it came from, for people."""

    def __init__(self, key: bytes, source: str) -> None:
        self._key = key
        self.source = source

    @property
    def fingerprint(self) -> str:
        """Tells keys apart, and tells nothing of the key."""
        return hashlib.sha256(b"gaal secret key\0" + self._key).hexdigest()[:32]

    def seal(self, secret: str, owner: str) -> bytes:
        """The secret, encrypted for its owner: in another's place it does not open."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._key).encrypt(nonce, secret.encode(), owner.encode())

    def open(self, sealed: bytes, owner: str) -> str:
        """The secret. Raises StoreError where it was sealed with another key, or for another owner."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, encrypted = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if sealed[:1] != _VERSION:
                raise InvalidTag
            return AESGCM(self._key).decrypt(nonce, encrypted, owner.encode()).decode()
        except (InvalidTag, ValueError):
            raise StoreError(f"{self.source}: the secret of key {owner[:4]}… does not open with this key") from None


def find_key(data_dir: Path, given: str) -> SecretKey | None:
    """The key that was given, or else the one of the key file. None where there is neither. Raises StoreError."""
    if given:
        return SecretKey(_decoded(given, VARIABLE), VARIABLE)
    file = data_dir / FILE_NAME
    try:
        return SecretKey(_decoded(file.read_text().strip(), str(file)), str(file))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file}: the key of secrets cannot be read ({error})") from None


def make_key(data_dir: Path) -> SecretKey:
    """The key of the key file, which is made if it is missing. Raises StoreError."""
    file = data_dir / FILE_NAME
    fresh = urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()
    try:
        return SecretKey(_decoded(private_files.read_or_make(file, fresh), str(file)), str(file))
    except OSError as error:
        raise StoreError(f"{file}: the key of secrets cannot be made ({error.strerror})") from None


def _decoded(text: str, source: str) -> bytes:
    try:
        key = urlsafe_b64decode(text)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise StoreError(f"{source}: the key of secrets must be {_KEY_BYTES} bytes in URL-safe base64")
    return key
