"""`customData`, a google.protobuf.Any, in JSON.

A message of a type that is known here has the form that proto3 JSON gives it, with its type in `@type`. One of an
unknown type is `{"@type": url, "value": base64}`, with the serialized message, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError, SerializeToJsonError
from google.protobuf.message import DecodeError

from gaal.errors import MessageError
from gaal.protocols.base64_text import decode_base64, encode_base64
from gaal.protocols.descriptors import message_class, pool
from gaal.protocols.json_text import refusal


def any_of_object(value: Mapping[str, Any], place: str) -> Any:
    """A google.protobuf.Any from its JSON object. Raises MessageError, naming the place."""
    url = value.get("@type")
    if not isinstance(url, str) or not url:
        raise refusal(f"{place}.@type", "must name the type of the message", url)
    message: Any = message_class("google.protobuf.Any")()
    if _is_known(url):
        try:
            return ParseDict(dict(value), message, descriptor_pool=pool())
        except (ParseError, TypeError, ValueError) as error:
            raise MessageError(f"{place}: {error}") from None
    message.type_url = url
    message.value = decode_base64(value.get("value", ""), f"{place}.value")
    return message


def object_of_any(message: Any) -> dict[str, Any]:
    """The JSON object of a google.protobuf.Any, of this pool or of another."""
    url, value = message.type_url, message.value
    if _is_known(url):
        own: Any = message_class("google.protobuf.Any")
        try:
            return MessageToDict(own(type_url=url, value=value), descriptor_pool=pool())
        except (DecodeError, SerializeToJsonError, ValueError) as error:
            raise MessageError(f"customData: {error}") from None
    return {"@type": url, "value": encode_base64(value)}


def _is_known(url: str) -> bool:
    try:
        pool().FindMessageTypeByName(url.rpartition("/")[2])
    except KeyError:
        return False
    return True
