"""`tensorflow.serving.PredictRequest` and `PredictResponse` ⇄ messages, for servers and for clients.

Every error is a MessageError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError

from gaal.errors import MessageError
from gaal.messages import Array, Encoding, Kind, Message, Payload
from gaal.protocols.descriptors import message_class
from gaal.protocols.named_tensors import arrays_of_payload, payload_of_arrays
from gaal.protocols.tensorflow_serving.rest import INPUTS, OUTPUTS
from gaal.protocols.tensorflow_tensor import array_of_tensor_proto, tensor_proto_of

SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model a request means: `version` is a number or a label as text, "" for whichever."""

    name: str = ""
    version: str = ""
    signature: str = ""


@cache
def _class(name: str) -> Any:
    return message_class(f"tensorflow.serving.{name}")


def parsed(name: str, body: bytes) -> Any:
    """A message of the package `tensorflow.serving`."""
    try:
        return _class(name).FromString(body)
    except DecodeError as error:
        raise MessageError(f"malformed protobuf, must be a tensorflow.serving.{name}: {error}") from None


def spec_of(message: Any) -> ModelSpec:
    """The model_spec of a message that has one."""
    spec = message.model_spec
    version = str(spec.version.value) if spec.HasField("version") else spec.version_label
    return ModelSpec(spec.name, version, spec.signature_name)


def fill_spec(out: Any, name: str, version: int, signature: str = "") -> None:
    out.name, out.signature_name, out.version.value = name, signature, version


def fill_spec_of(out: Any, spec: ModelSpec) -> None:
    out.name, out.signature_name = spec.name, spec.signature
    if spec.version.isdecimal():
        out.version.value = int(spec.version)
    else:
        out.version_label = spec.version


# A server's side


def decode_request(body: bytes) -> tuple[Message, ModelSpec, Sequence[str]]:
    """The message, the model that it is for, and the outputs that are wanted; none means all."""
    request = parsed("PredictRequest", body)
    if not request.inputs:
        raise MessageError("inputs: must have at least one tensor")
    message = Message(payload_of_arrays(_arrays(request.inputs, "inputs")), encoding=Encoding.PROTO)
    return message, spec_of(request), list(request.output_filter)


def encode_reply(message: Message, asked: Sequence[str], name: str, version: int, signature: str) -> bytes:
    reply = _class("PredictResponse")()
    fill_spec(reply.model_spec, name, version, signature or SIGNATURE)
    _fill(reply.outputs, arrays_of_payload(message.payload, asked, OUTPUTS))
    return bytes(reply.SerializeToString())


# A client's side


def encode_request(message: Message, spec: ModelSpec, input_name: str = "") -> bytes:
    """`input_name` is for an array that has no name of its own."""
    request = _class("PredictRequest")()
    fill_spec_of(request.model_spec, spec)
    _fill(request.inputs, arrays_of_payload(message.payload, (), input_name or INPUTS))
    return bytes(request.SerializeToString())


def packed_request(message: Message) -> bytes | None:
    """The PredictRequest that a message carries whole, as its custom data; None for every other message."""
    payload = message.payload
    if payload is None or payload.kind is not Kind.CUSTOM_DATA:
        return None
    packed = payload.value
    return packed.value if packed.type_url.rpartition("/")[2] == "tensorflow.serving.PredictRequest" else None


def packed_reply(body: bytes) -> Message:
    """A PredictResponse whole, as custom data."""
    parsed("PredictResponse", body)
    url = "type.googleapis.com/tensorflow.serving.PredictResponse"
    packed: Any = message_class("google.protobuf.Any")(type_url=url, value=body)
    return Message(Payload(Kind.CUSTOM_DATA, packed), encoding=Encoding.PROTO)


def decode_reply(body: bytes, output_name: str = "") -> Message:
    """The outputs, or the one that is named."""
    arrays = _arrays(parsed("PredictResponse", body).outputs, "outputs")
    if output_name:
        if output_name not in arrays:
            raise MessageError(f"outputs: must have {output_name}, got {', '.join(arrays)}")
        arrays = {output_name: arrays[output_name]}
    return Message(payload_of_arrays(arrays) if arrays else None, encoding=Encoding.PROTO)


def _arrays(tensors: Mapping[str, Any], place: str) -> dict[str, Array]:
    # A map has no order of its own, and columns need one that stays.
    return {name: array_of_tensor_proto(tensors[name], f'{place}["{name}"]') for name in sorted(tensors)}


def _fill(out: Any, arrays: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        out[name].CopyFrom(tensor_proto_of(array))
