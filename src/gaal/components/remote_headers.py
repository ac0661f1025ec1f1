"""What of a request's headers goes along to a remote unit: all but what describes one body or one connection.

Source: the service orchestrator of Seldon Core, which copies all headers but the content type to every call.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

from gaal.executor.context import Context

Metadata: TypeAlias = list[tuple[str, str | bytes]]

_OF_ONE_BODY = {
    *(b"content-type", b"content-length", b"content-encoding", b"content-md5", b"digest", b"range"),
    *(b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range"),
}
_OF_ONE_CONNECTION = {
    *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
    *(b"te", b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings", b"host", b"expect"),
}
_SET_HERE = {b"seldon-puid", b"accept", b"accept-encoding", b"user-agent", b"gaal-codec"}
_LEFT_OUT = _OF_ONE_BODY | _OF_ONE_CONNECTION | _SET_HERE

_METADATA_KEY = re.compile(rb"[0-9a-z_.-]+")


def http_headers(context: Context) -> dict[str, str]:
    """The headers for a remote unit over REST, by name in lower case. Values that are not UTF-8 stay here."""
    headers = {"seldon-puid": context.puid} if context.puid else {}
    dropped = _named_by_connection(context.headers)
    for name, value in context.headers.items():
        key = _header_name(name)
        if key is not None and name not in dropped:
            try:
                headers[key] = value.decode()
            except UnicodeDecodeError:
                continue
    return headers


def grpc_metadata(context: Context) -> Metadata:
    """The metadata for a remote unit over gRPC. What gRPC cannot carry stays here."""
    metadata: Metadata = [("seldon-puid", context.puid)] if context.puid and _is_text(context.puid) else []
    dropped = _named_by_connection(context.headers)
    for name, value in context.headers.items():
        key = _metadata_key(name)
        if key is None or name in dropped:
            continue
        if key.endswith("-bin"):
            metadata += [(key, each) for each in _unpacked(value)]
        elif _is_text(text := value.decode("latin-1")):
            metadata.append((key, text))
    return metadata


def model_metadata(context: Context) -> Metadata:
    """As `grpc_metadata`, for a server of models."""
    return [(key, value) for key, value in grpc_metadata(context) if key not in OF_A_GATEWAY]


OF_A_GATEWAY = ("seldon", "namespace")
"""What chooses a deployment of this server, and could choose another one of the next."""


@lru_cache(maxsize=1024)
def _header_name(name: bytes) -> str | None:
    """The name under which a header goes along; None for one that does not."""
    is_left_out = name in _LEFT_OUT or name.startswith((b":", b"grpc-"))
    return None if is_left_out else name.decode("latin-1")


@lru_cache(maxsize=1024)
def _metadata_key(name: bytes) -> str | None:
    return _header_name(name) if _METADATA_KEY.fullmatch(name) else None


def _named_by_connection(headers: Mapping[bytes, bytes]) -> set[bytes]:
    """What the header Connection declares to be of this connection only."""
    named = headers.get(b"connection")
    return set() if named is None else {each.strip().lower() for each in named.split(b",")}


def _is_text(value: str) -> bool:
    return value.isascii() and value.isprintable()


def _unpacked(value: bytes) -> list[bytes]:
    """The bytes of a key that ends with `-bin`, which are base64 on the way; several are joined by commas."""
    try:
        return [base64.b64decode(each + b"=" * (-len(each) % 4), validate=True) for each in value.split(b",")]
    except binascii.Error:
        return []
