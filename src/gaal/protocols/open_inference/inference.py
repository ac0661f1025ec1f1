"""What every form of a V2 request or reply holds, and the way from and to a `Message`: the rules, written once.

| V2                        | Message                                                                            |
|---------------------------|------------------------------------------------------------------------------------|
| `id`                      | `meta.puid`; a request without one gets one                                        |
| `parameters`              | `meta.tags`, without those that steer the protocol itself                          |
| one input                 | tensor, or ndarray if it holds no numbers                                          |
| several inputs            | a table with named columns, or tensors; see `named_tensors`                        |
| content_type "pd" or "np" | of a request: the inputs are columns, even one; they are none                      |
| content_type "str"        | of BYTES: str objects, not bytes                                                   |
| content_type "base64"     | of BYTES: each element is base64                                                   |
| content_type "json"       | of one input of one element of BYTES: jsonData                                     |

The other way round text gets the content type "str", jsonData "json". A payload that came in V2, or from a unit that
speaks it, goes out again with its own names, datatypes and parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from gaal.errors import MessageError
from gaal.messages import NO_META, Array, Encoding, Json, Kind, Message, Meta, Payload
from gaal.protocols.base64_text import decode_base64
from gaal.protocols.json_text import dump, parse, plain, refusal
from gaal.protocols.named_tensors import NamedSource, asked_arrays, named_arrays, payload_of_arrays
from gaal.protocols.open_inference.datatypes import (
    BYTES,
    Raw,
    array_of_raw,
    array_of_values,
    bytes_of,
    datatype_of,
    numpy_dtype,
    raw_of_array,
)

Parameter: TypeAlias = bool | int | float | str
Parameters: TypeAlias = Mapping[str, Parameter]

INPUT, OUTPUT = "input-0", "output-0"
"""The names of what has no name of its own."""

_STEERING = ("content_type", "binary_data_output", "headers")
_OF_TRITON = "triton_"
"""Parameters of the protocol, which are nothing that a component says or hears."""


@dataclass(slots=True)
class Tensor:
    """One tensor. `values` are raw elements, elements of JSON, or the array itself; `place` is where it stands."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Raw | list[Any] | Array
    parameters: Parameters = field(default_factory=dict)
    place: str = ""

    @property
    def content_type(self) -> Parameter | None:
        return self.parameters.get("content_type") if self.parameters else None

    def elements(self) -> Array:
        """The array, whose strings are bytes however the content type reads them. Raises MessageError."""
        values = self.values
        if isinstance(values, np.ndarray):
            return values
        if isinstance(values, list):
            return array_of_values(self.datatype, self.shape, values, f"{self.place}.data")
        return array_of_raw(self.datatype, self.shape, values, self.place)

    def raw(self) -> Raw:
        """The raw elements: as they came, or made of the array. Raises MessageError."""
        values = self.values
        return raw_of_array(self.elements(), self.datatype) if isinstance(values, (list, np.ndarray)) else values

    def array(self) -> Array:
        """What a component gets to see. Raises MessageError."""
        array = self.elements()
        return self._decoded(array) if self.datatype == BYTES and self.content_type is not None else array

    def _decoded(self, array: Array) -> Array:
        if self.content_type == "base64":
            return self._each(array, lambda item: decode_base64(item.decode("latin-1"), self.place))
        if self.content_type == "str":
            return self._each(array, lambda item: item.decode())
        return array

    def _each(self, array: Array, change: Any) -> Array:
        changed = np.empty(array.shape, dtype=object)
        try:
            changed.reshape(-1)[:] = [change(item) for item in array.reshape(-1).tolist()]
        except UnicodeDecodeError as error:
            raise refusal(self.place, f"must be UTF-8 by its content type: {error.reason}", error.object) from None
        return changed


@dataclass(slots=True)
class AskedOutput:
    """An output that a request names."""

    name: str
    parameters: Parameters = field(default_factory=dict)


@dataclass(slots=True)
class Inference(NamedSource):
    """A request with its inputs, or a reply with its outputs. `outputs` are those that a request asks for."""

    tensors: Sequence[Tensor]
    model_name: str = ""
    model_version: str = ""
    id: str = ""
    parameters: Parameters = field(default_factory=dict)
    outputs: Sequence[AskedOutput] = ()

    def arrays(self) -> dict[str, Array]:
        return {tensor.name: tensor.array() for tensor in self.tensors}


# To a message


def message_of(inference: Inference, encoding: Encoding) -> Message:
    """A request's inputs, or the outputs of a reply, as a message. Raises MessageError."""
    return Message(_payload(inference), _meta(inference), None, encoding)


def _meta(inference: Inference) -> Meta:
    if not inference.id and not inference.parameters:
        return NO_META
    tags: dict[str, Json] = {
        key: value
        for key, value in inference.parameters.items()
        if key not in _STEERING and not key.startswith(_OF_TRITON)
    }
    return Meta(inference.id, tags)


def _payload(inference: Inference) -> Payload | None:
    tensors, content_type = inference.tensors, inference.parameters.get("content_type")
    if len(tensors) == 1 and content_type != "pd":
        return _single(tensors[0], inference)
    if not tensors:
        return None
    columns = {"pd": True, "np": False}.get(str(content_type))
    payload = payload_of_arrays(inference.arrays(), columns)
    payload.source = inference
    return payload


def _single(tensor: Tensor, inference: Inference) -> Payload:
    if tensor.datatype == BYTES and tensor.content_type == "json":
        return Payload(Kind.JSON_DATA, _json(tensor))
    kind = Kind.TENSOR if numpy_dtype(tensor.datatype).kind in "iuf" else Kind.NDARRAY
    return Payload.undecoded(kind, inference, lambda source: source.tensors[0].array())


def _json(tensor: Tensor) -> Any:
    elements = tensor.elements().reshape(-1)
    if elements.size != 1:
        raise refusal(f"{tensor.place}.shape", "one element has the JSON value", list(tensor.shape))
    return parse(elements[0])


# From a message


def reply_of(message: Message, request: Inference, model_name: str, model_version: str) -> Inference:
    """The reply to `request`, with the outputs that it asks for. Raises MessageError."""
    tensors = tensors_of(message.payload, _asked(request.outputs) if request.outputs else (), OUTPUT)
    return Inference(tensors, model_name, model_version, message.meta.puid, parameters_of(message.meta))


def _asked(outputs: Sequence[AskedOutput]) -> Sequence[str]:
    if any("classification" in output.parameters for output in outputs):
        raise MessageError("outputs: classification is not served; ask for the output itself")
    return [output.name for output in outputs]


def request_of(message: Message, model_name: str, model_version: str = "", puid: str = "") -> Inference:
    """What asks a model elsewhere for its reply; `puid` is for a message without one. Raises MessageError."""
    tensors = tensors_of(message.payload, (), INPUT)
    parameters = parameters_of(message.meta)
    if message.payload is not None and len(tensors) == 1 and tensors[0].name in message.payload.names:
        parameters = {**parameters, "content_type": "pd"}
    return Inference(tensors, model_name, model_version, message.meta.puid or puid, parameters)


def parameters_of(meta: Meta) -> dict[str, Parameter]:
    """The tags as parameters; what is neither a number nor a text goes as JSON text."""
    if not meta.tags:
        return {}
    return {
        key: value if isinstance(value, (bool, int, float, str)) else dump(plain(value)).decode()
        for key, value in meta.tags.items()
        if value is not None
    }


def tensors_of(payload: Payload | None, asked: Sequence[str], default: str) -> Sequence[Tensor]:
    if payload is None:
        return ()
    source = payload.source
    if source is not None and isinstance(source, Inference) and not asked:
        return source.tensors
    if source is None and payload.kind is Kind.TENSOR and not asked:  # as most replies are: it has no other name
        return (_tensor(default, payload.array, None),)
    named = named_arrays(payload)
    arrays = asked_arrays(payload, named, asked, default)
    content_type = None if named is not None or payload.kind.is_data else _CONTENT_TYPES.get(payload.kind)
    return [_tensor(name, array, content_type) for name, array in arrays.items()]


_CONTENT_TYPES = {Kind.STR_DATA: "str", Kind.JSON_DATA: "json"}


def _tensor(name: str, array: Array, content_type: str | None) -> Tensor:
    datatype = datatype_of(array)
    if datatype != BYTES:
        return Tensor(name, datatype, array.shape, array)
    elements = array.reshape(-1).tolist()
    if content_type is None and elements and not any(isinstance(item, bytes) for item in elements):
        content_type = "str"
    encoded = np.empty(array.shape, dtype=object)
    encoded.reshape(-1)[:] = [bytes_of(item) for item in elements]
    return Tensor(name, datatype, array.shape, encoded, {"content_type": content_type} if content_type else {})
