"""From the body of an HTTP request to a message, whatever content type a client of the Seldon protocol may use.

| content type                        | the message                                                            |
|-------------------------------------|------------------------------------------------------------------------|
| application/json, …+json, none      | the body                                                               |
| application/x-www-form-urlencoded   | the field `json`                                                       |
| multipart/form-data                 | a field a key: JSON, `strData` as it is; files: `binData` raw, others text |
| application/octet-stream            | the body as `binData`                                                  |
| text/plain                          | the body as `strData`                                                  |

A query parameter `json` stands for the body. `Content-Encoding: gzip` is undone first.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from gaal.errors import MessageError, MessageTooLarge, UnsupportedMedia
from gaal.messages import Encoding, Kind, Message, Payload
from gaal.protocols import seldon_json
from gaal.transport.types import Receive

GZIP_WINDOW = 16 + zlib.MAX_WBITS


MAX_DISCARDED = 8
"""How many times the allowed bytes of a body that is too large are taken and thrown away before the answer.

Most clients read no answer before they have sent everything, and some servers fail over what comes after theirs.
"""


class Disconnected(Exception):
    """The client hung up before it had sent everything."""


async def read_body(receive: Receive, max_bytes: int, overhead: int = 0) -> bytes:
    """The whole body: a message of at most `max_bytes`, and `overhead` bytes around it.

    Raises MessageTooLarge, and Disconnected if the client went away.
    """
    event = await receive()
    body: bytes = event.get("body", b"")
    if not event.get("more_body"):
        if event["type"] == "http.disconnect":
            raise Disconnected
        check_size(len(body) - overhead, max_bytes)
        return body
    parts = [body]
    size = len(body)
    while event.get("more_body"):
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        part = event.get("body", b"")
        size += len(part)
        if size - overhead <= max_bytes:
            parts.append(part)
        elif size > MAX_DISCARDED * max_bytes:
            break
    check_size(size - overhead, max_bytes)
    return b"".join(parts)


def check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise MessageTooLarge(f"the body must have at most {max_bytes} bytes, got {size} or more")


def decompressed(body: bytes, encoding: bytes, max_bytes: int) -> bytes:
    """The body without its content encoding. A gzip bomb stops at `max_bytes`."""
    encoding = encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        raise UnsupportedMedia(f"Content-Encoding: must be gzip or identity, got {encoding.decode('latin-1')!r}")
    return gunzipped(body, max_bytes)


def gunzipped(body: bytes, max_bytes: int) -> bytes:
    inflater = zlib.decompressobj(GZIP_WINDOW)
    try:
        plain = inflater.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise MessageError(f"the body is not valid gzip: {error}") from None
    check_size(len(plain), max_bytes)
    if not inflater.eof:
        raise MessageError("the body is not valid gzip: it ends too early")
    return plain


def decode_json_body(body: bytes, content_type: bytes, query: bytes) -> bytes:
    """The JSON text in a body that holds a JSON document in one way or another: as it is, in a form, in the query."""
    if query and (text := form_field(query, "json")) is not None:
        return text
    media_type = media_type_of(content_type)
    if media_type in (b"", b"application/json") or media_type.endswith(b"+json"):
        return body
    if media_type == b"application/x-www-form-urlencoded":
        form = form_field(body, "json")
        if form is None:
            raise MessageError("the form must have a field json; for a JSON body say Content-Type: application/json")
        return form
    if media_type == b"multipart/form-data":
        return orjson.dumps(multipart_object(body, content_type))
    raise UnsupportedMedia(
        "Content-Type: must be application/json, application/x-www-form-urlencoded or multipart/form-data, "
        f"for predictions also application/octet-stream or text/plain, got {media_type.decode('latin-1')!r}"
    )


def decode_message(body: bytes, content_type: bytes, query: bytes) -> Message:
    """The message of a prediction request. Raises MessageError."""
    if content_type == b"application/json" and not query:
        return seldon_json.decode_message(body)
    media_type = media_type_of(content_type)
    if media_type == b"application/octet-stream":
        return Message(Payload(Kind.BIN_DATA, body), encoding=Encoding.JSON)
    if media_type == b"text/plain":
        return Message(Payload(Kind.STR_DATA, _text(body, "the body")), encoding=Encoding.JSON)
    return seldon_json.decode_message(decode_json_body(body, content_type, query))


def media_type_of(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def form_field(form: bytes, name: str) -> bytes | None:
    """A field of a form or of a query string."""
    try:
        fields = parse_qs(form.decode("ascii"), keep_blank_values=True, max_num_fields=100)
    except ValueError as error:
        raise MessageError(f"the form cannot be read: {error}") from None
    return fields[name][0].encode() if name in fields else None


def multipart_object(body: bytes, content_type: bytes) -> Mapping[str, Any]:
    """The parts as one JSON object, by the wrapper's rules."""
    from python_multipart import create_form_parser
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartState

    parts: dict[str, Any] = {}

    def on_field(field: Any) -> None:
        name, value = _text(field.field_name or b"", "a field's name"), field.value or b""
        parts[name] = _text(value, name) if name == "strData" else _json(value, name)

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        name, value = _text(file.field_name or b"", "a field's name"), file.file_object.read()
        parts[name] = base64.b64encode(value).decode() if name == "binData" else _text(value, name)

    headers: dict[str, bytes] = {"Content-Type": content_type}
    try:
        # No file is longer than the body, so none goes to the disk.
        parser = create_form_parser(headers, on_field, on_file, config={"MAX_MEMORY_FILE_SIZE": len(body)})
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise MessageError(f"the multipart body cannot be read: {error}") from None
    if getattr(parser.parser, "state", None) is not MultipartState.END:
        raise MessageError("the multipart body cannot be read: it ends before its last boundary")
    return parts


def _text(value: bytes, place: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"{place}: must be UTF-8 text: {error.reason} at byte {error.start}") from None


def _json(value: bytes, place: str) -> Any:
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise MessageError(f"{place}: must be JSON: {error}") from None
