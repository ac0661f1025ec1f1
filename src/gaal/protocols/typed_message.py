"""Messages between Gaal and Gaal whose arrays stay exactly what they are: names, types of elements, bytes and texts.

The Seldon protocol has doubles, and no several arrays. What came in a protocol that has more would be something else
for a unit in another process. The form is a length in four bytes, that many bytes of JSON, and raw elements behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gaal.errors import MessageError
from gaal.messages import Array, Encoding, Kind, Message, Payload
from gaal.protocols import seldon_json
from gaal.protocols.base64_text import decode_base64, encode_base64
from gaal.protocols.json_text import dump, parse
from gaal.protocols.named_tensors import Named, NamedSource

_KINDS = {kind.value: kind for kind in Kind}


def is_needed(payload: Payload | None) -> bool:
    """Whether the forms of the Seldon protocol would change the payload."""
    if payload is None:
        return False
    if payload.source is not None:
        return isinstance(payload.source, NamedSource)
    if payload.kind is Kind.TENSOR or payload.kind is Kind.NDARRAY:
        return isinstance(payload.value, np.ndarray) and payload.value.dtype.str not in _OF_SELDON
    return _by_name(payload) is not None


_OF_SELDON = ("<f8", "<i8", "|b1")
"""The types that arrays have anyway that came in it."""


def _by_name(payload: Payload) -> dict[str, Array] | None:
    """Several arrays, also those that a component gave as a dict."""
    value = payload.value if payload.kind in (Kind.TENSORS, Kind.JSON_DATA) else None
    if not isinstance(value, dict) or not value:
        return None
    return value if all(isinstance(each, np.ndarray) for each in value.values()) else None


def encode_message(message: Message) -> bytes:
    payload = message.payload
    by_name = None if payload is None else _by_name(payload)
    if payload is None or not (payload.kind.is_data or by_name is not None):
        return _framed({"message": seldon_json.object_of(message)}, ())
    named = payload.source.arrays() if isinstance(payload.source, NamedSource) else {}
    arrays = {"": payload.array} if by_name is None else by_name
    described = [_described(name, array) for name, array in (*arrays.items(), *named.items())]
    fields = {
        "message": seldon_json.object_of(Message(None, message.meta, message.status)),
        "kind": payload.kind.value,
        "names": list(payload.names),
        "n_arrays": len(arrays),
        "arrays": described,
    }
    return _framed(fields, [_raw(array) for array in (*arrays.values(), *named.values())])


def decode_message(body: bytes) -> Message:
    """Raises MessageError."""
    try:
        n_json = int.from_bytes(body[:4], "little")
        fields, at = parse(body[4 : 4 + n_json]), 4 + n_json
        message = seldon_json.message_of(fields["message"])
        if "kind" in fields:
            message.payload = _payload(fields, memoryview(body)[at:])
    except (KeyError, TypeError, ValueError) as error:
        raise MessageError(f"malformed message between Gaal and Gaal: {error}") from None
    return message


def encode_message_list(messages: Sequence[Message]) -> bytes:
    encoded = [encode_message(message) for message in messages]
    return b"".join(part for each in encoded for part in (len(each).to_bytes(8, "little"), each))


def decode_message_list(body: bytes) -> list[Message]:
    """Raises MessageError."""
    messages, at = [], 0
    while at < len(body):
        end = at + 8 + int.from_bytes(body[at : at + 8], "little")
        messages.append(decode_message(body[at + 8 : end]))
        at = end
    return messages


def in_encoding(message: Message, encoding: Encoding) -> Message:
    message.encoding = encoding
    return message


def _framed(fields: dict[str, Any], raw: Sequence[bytes]) -> bytes:
    text = dump(fields, bare_non_finite=True)
    return b"".join((len(text).to_bytes(4, "little"), text, *raw))


def _described(name: str, array: Array) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": array.dtype.str}
    if array.dtype.kind == "O":
        return {**described, "items": [_shown(item) for item in array.reshape(-1).tolist()]}
    return {**described, "n_bytes": array.nbytes}


def _shown(item: Any) -> Any:
    return {"b64": encode_base64(item)} if isinstance(item, bytes) else item


def _raw(array: Array) -> bytes:
    return b"" if array.dtype.kind == "O" else array.tobytes()


def _payload(fields: dict[str, Any], raw: memoryview) -> Payload:
    arrays: list[tuple[str, Array]] = []
    for each in fields["arrays"]:
        arrays.append((each["name"], _array(each, raw)))
        raw = raw[each.get("n_bytes", 0) :]
    own, named = arrays[: fields["n_arrays"]], arrays[fields["n_arrays"] :]
    kind = _KINDS[fields["kind"]]
    payload = Payload(kind, own[0][1] if kind.is_data else dict(own), tuple(fields["names"]))
    if named:
        payload.source = Named(dict(named))
    return payload


def _array(described: dict[str, Any], raw: memoryview) -> Array:
    shape = described["shape"]
    if "items" not in described:
        dtype = np.dtype(described["dtype"])
        return np.frombuffer(raw[: described["n_bytes"]], dtype).reshape(shape).copy()
    items = np.empty(len(described["items"]), dtype=object)
    items[:] = [decode_base64(each["b64"], "items") if isinstance(each, dict) else each for each in described["items"]]
    return items.reshape(shape)
