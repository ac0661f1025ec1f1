"""The internal prediction API over gRPC: one unit, behind all seven services of the protocol.

| service           | methods                                                       |
|-------------------|---------------------------------------------------------------|
| Generic           | TransformInput, TransformOutput, Route, Aggregate, SendFeedback |
| Model             | Predict, SendFeedback, Metadata                               |
| Router            | Route, SendFeedback                                           |
| Transformer       | TransformInput                                                |
| OutputTransformer | TransformOutput                                               |
| Combiner          | Aggregate                                                     |
| Seldon            | Predict, SendFeedback, ModelMetadata, GraphMetadata           |

Between Gaal and Gaal there is more. With the metadata key `gaal-codec: json` a call carries the JSON text of its
message, and so does the reply: integers stay integers. With `typed-json` or `typed-proto` it carries a
`typed_message`, for a request that came in the one or the other. The method `/gaal.Unit/Health` asks for the unit's
health. An error has the trailing key `gaal-error`, percent-encoded JSON of which the near side makes the same error;
with status OK it says that the reply is a refusal, to be raised as ComponentAnswered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

import orjson

from gaal.errors import ComponentAnswered, ComponentError, GaalError, MethodNotAllowed
from gaal.executor.context import Context
from gaal.executor.node import Node
from gaal.messages import Encoding, Feedback, Kind, Message, Meta, ModelMetadata, Payload, array_of
from gaal.protocols import json_text, seldon_json, seldon_proto, typed_message
from gaal.protocols.seldon_json import Verbatim
from gaal.transport.errors import http_status
from gaal.transport.grpc import Call, Method, UnaryMethod
from gaal.transport.grpc_wire import MAX_TEXT_CHARACTERS, PLAIN

PACKAGE = "seldon.protos"
HEALTH = "/gaal.Unit/Health"
CODEC_KEY = b"gaal-codec"
ERROR_KEY = b"gaal-error"

OPERATIONS = {
    "Generic": ("TransformInput", "TransformOutput", "Route", "Aggregate", "SendFeedback"),
    "Model": ("Predict", "SendFeedback"),
    "Router": ("Route", "SendFeedback"),
    "Transformer": ("TransformInput",),
    "OutputTransformer": ("TransformOutput",),
    "Combiner": ("Aggregate",),
    "Seldon": ("Predict", "SendFeedback"),
}
"""The methods of each service that are operations of the unit."""

Answer: TypeAlias = Callable[[Any, Context], Awaitable[Message]]
"""From a message, messages or feedback to the reply."""


@dataclass(frozen=True, slots=True)
class Codec:
    """The bytes of a call and of its reply ⇄ messages."""

    encoding: Encoding
    decode_message: Callable[[bytes], Message]
    decode_message_list: Callable[[bytes], list[Message]]
    decode_feedback: Callable[[bytes], Feedback]
    encode_message: Callable[[Message], bytes]
    encode_metadata: Callable[[ModelMetadata], bytes]


def _json_of(message: Message) -> bytes:
    if isinstance(message, Verbatim):
        return json_text.dump(message.document, bare_non_finite=True)
    return seldon_json.encode_message(message, bare_non_finite=True)


PROTO_CODEC = Codec(
    Encoding.PROTO,
    seldon_proto.decode_message,
    seldon_proto.decode_message_list,
    seldon_proto.decode_feedback,
    seldon_proto.encode_message,
    seldon_proto.encode_model_metadata,
)
JSON_CODEC = Codec(
    Encoding.JSON,
    seldon_json.decode_message,
    seldon_json.decode_message_list,
    seldon_json.decode_feedback,
    _json_of,
    lambda metadata: json_text.dump(seldon_json.model_metadata_object(metadata)),
)


def _typed(encoding: Encoding) -> Codec:
    """For messages that the Seldon protocol would change."""

    def decode_message(body: bytes) -> Message:
        return typed_message.in_encoding(typed_message.decode_message(body), encoding)

    def decode_message_list(body: bytes) -> list[Message]:
        return [typed_message.in_encoding(each, encoding) for each in typed_message.decode_message_list(body)]

    return Codec(
        encoding,
        decode_message,
        decode_message_list,
        seldon_json.decode_feedback,
        typed_message.encode_message,
        JSON_CODEC.encode_metadata,
    )


_CODECS = {b"json": JSON_CODEC, **{f"typed-{each.value}".encode(): _typed(each) for each in Encoding}}

Decoder: TypeAlias = Callable[[Codec], Callable[[bytes], Any]]


class InternalServices:
    """The methods of all services over one node. `unit_name` is the name that its errors are reported under."""

    def __init__(self, node: Node, unit_name: str) -> None:
        self._node = node
        self._unit_name = unit_name

    def methods(self) -> dict[str, Method]:
        """By full path, `/seldon.protos.Model/Predict`."""
        operations = self._operations()
        found = {
            f"/{PACKAGE}.{service}/{name}": operations[name] for service, names in OPERATIONS.items() for name in names
        }
        return {
            **found,
            f"/{PACKAGE}.Model/Metadata": UnaryMethod(self.metadata),
            f"/{PACKAGE}.Seldon/ModelMetadata": UnaryMethod(self.metadata),
            f"/{PACKAGE}.Seldon/GraphMetadata": UnaryMethod(self.graph_metadata),
            HEALTH: self._method(lambda codec: lambda body: None, lambda _, context: self._node.health(context)),
        }

    def _operations(self) -> dict[str, Method]:
        node = self._node
        return {
            "Predict": self._method(_message, node.predict),
            "TransformInput": self._method(_message, node.transform_input),
            "TransformOutput": self._method(_message, node.transform_output),
            "Route": self._method(_message, route_answer(node)),
            "Aggregate": self._method(_messages, node.aggregate),
            "SendFeedback": self._method(_feedback, node.send_feedback),
        }

    def _method(self, decoder: Decoder, answer: Answer) -> UnaryMethod:
        async def handle(request: bytes, call: Call) -> bytes:
            codec = codec_of(call)
            call.context.encoding = codec.encoding
            try:
                return codec.encode_message(await answer(decoder(codec)(request), call.context))
            except ComponentAnswered as refusal:
                call.trailers.append((ERROR_KEY, self._told(refusal)))
                return codec.encode_message(refusal.reply)
            except GaalError as error:
                call.trailers.append((ERROR_KEY, self._told(error)))
                raise

        return UnaryMethod(handle)

    async def metadata(self, request: bytes, call: Call) -> bytes:
        """What the unit says of its model, whatever name the request has: there is but one."""
        return codec_of(call).encode_metadata(await self._node.metadata())

    async def graph_metadata(self, request: bytes, call: Call) -> bytes:
        raise MethodNotAllowed("GraphMetadata is not available for a unit: ask the server of its graph", ())

    def _told(self, error: GaalError) -> bytes:
        """The value of `gaal-error`."""
        is_component = isinstance(error, ComponentError)
        what = error.what if isinstance(error, ComponentError) else str(error)
        told = {
            "class": type(error).__name__,
            "unit": error.unit if isinstance(error, ComponentError) else self._unit_name,
            "what": what if len(what) <= MAX_TEXT_CHARACTERS else what[:MAX_TEXT_CHARACTERS] + "…",
            "reason": error.reason,
            "http_status": error.http_status if is_component and hasattr(error, "http_status") else http_status(error),
        }
        return quote(orjson.dumps(told), safe=PLAIN).encode()


def codec_of(call: Call) -> Codec:
    return _CODECS.get(call.headers.get(CODEC_KEY, b""), PROTO_CODEC)


def route_answer(node: Node) -> Answer:
    """`route` with a message for an answer, which holds the branch as `[[n]]`.

    A node with a method `route_message` answers by itself: its reply may bring tags and metrics.
    """
    own: Answer | None = getattr(node, "route_message", None)
    if own is not None:
        return own

    async def answer(message: Message, context: Context) -> Message:
        return branch_message(await node.route(message, context), message)

    return answer


def branch_message(branch: int, message: Message) -> Message:
    """The reply of a router to `message`: an array of one number, in the form of the request's own array."""
    asked = message.payload
    kind = asked.kind if asked is not None and asked.kind.is_data else Kind.TENSOR
    payload = Payload(kind, array_of([[branch]]), ("t:0",))
    return Message(payload, Meta(message.meta.puid), None, message.encoding)


def _message(codec: Codec) -> Callable[[bytes], Message]:
    return codec.decode_message


def _messages(codec: Codec) -> Callable[[bytes], Sequence[Message]]:
    return codec.decode_message_list


def _feedback(codec: Codec) -> Callable[[bytes], Feedback]:
    return codec.decode_feedback
