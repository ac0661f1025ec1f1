"""V2 over gRPC: `inference.ModelInferRequest` and `ModelInferResponse` ⇄ `Inference`.

Elements come raw, in the message's own list of bytes, or typed, in the field of their datatype; one message has all its
tensors in the same form. Gaal always writes them raw. Every error is a MessageError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from gaal.errors import MessageError
from gaal.messages import Array
from gaal.protocols.descriptors import message_class
from gaal.protocols.json_text import refusal
from gaal.protocols.open_inference.datatypes import BYTES, Raw, check_datatype, numpy_dtype, shaped
from gaal.protocols.open_inference.inference import AskedOutput, Inference, Parameter, Parameters, Tensor
from gaal.protocols.wire_format import fields, head, varint

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""The field of InferTensorContents that has the elements of a datatype."""

_RAW_INPUTS, _RAW_OUTPUTS = 7, 6
"""The numbers of `raw_input_contents` and `raw_output_contents`."""

_ID = 3
"""The number of `id`, in both."""

_N_REMEMBERED, _LONGEST = 256, 128
"""Models, and tensors without their elements, whose serialized forms are kept; characters and dimensions of one.

A client may choose names and shapes, so what is kept of them must be small.
"""

_LARGE = 64 * 1024
"""Bytes. In a smaller body, raw contents are copied sooner than found."""

_ERROR_MESSAGE, _INFER_RESPONSE = 1, 2
"""The numbers of the fields of ModelStreamInferResponse."""


@cache
def _class(name: str) -> Any:
    return message_class(f"inference.{name}")


def parsed(name: str, body: bytes) -> Any:
    """A message of the package `inference`."""
    try:
        return _class(name).FromString(body)
    except DecodeError as error:
        raise MessageError(f"malformed protobuf, must be an inference.{name}: {error}") from None


# Reading
#
# A slice makes a list of a repeated field in half the time that a loop over it takes.


def decode_request(body: bytes) -> Inference:
    small, raw = _without_raw(body, _RAW_INPUTS)
    request = parsed("ModelInferRequest", small)
    tensors = _tensors(request.inputs[:], raw + request.raw_input_contents[:], "inputs")
    if not tensors:
        raise MessageError("inputs: must have at least one tensor")
    return Inference(
        tensors,
        request.model_name,
        request.model_version,
        request.id,
        _parameters(request.parameters),
        _asked(outputs) if (outputs := request.outputs) else (),
    )


def _asked(outputs: Sequence[Any]) -> Sequence[AskedOutput]:
    return [AskedOutput(output.name, _parameters(output.parameters)) for output in outputs]


def decode_reply(body: bytes) -> Inference:
    small, raw = _without_raw(body, _RAW_OUTPUTS)
    reply = parsed("ModelInferResponse", small)
    tensors = _tensors(reply.outputs[:], raw + reply.raw_output_contents[:], "outputs")
    return Inference(tensors, reply.model_name, reply.model_version, reply.id, _parameters(reply.parameters))


def _without_raw(body: bytes, number: int) -> tuple[bytes, list[Raw]]:
    """The body without its raw contents, and those, not copied; a small body stays as it is.

    All fields of the two messages are length-delimited. What is not so, or is cut off, is left to the parser, which
    knows how to skip or to refuse it.
    """
    if len(body) < _LARGE:
        return body, []
    view = memoryview(body)
    raw: list[Raw] = []
    rest: list[memoryview] = []
    at = 0
    for field in fields(body, 0, len(body)):
        if field is None:
            rest.append(view[at:])
            break
        if field.number == number:
            raw.append(view[field.value : field.end])
        else:
            rest.append(view[field.start : field.end])
        at = field.end
    return (b"".join(rest) if raw else body), raw


def _tensors(tensors: Sequence[Any], raw: Sequence[Raw], field: str) -> list[Tensor]:
    if raw and len(raw) != len(tensors):
        rule = f"must have one entry for each of the {len(tensors)} {field}, or none"
        raise refusal(f"raw_{field[:-1]}_contents", rule, len(raw))
    found = [_tensor(tensor, raw[at] if raw else None, field, at) for at, tensor in enumerate(tensors)]
    if len(found) > 1 and len({tensor.name for tensor in found}) < len(found):
        raise refusal(field, "every tensor must have a name of its own", [tensor.name for tensor in found])
    return found


def _tensor(tensor: Any, raw: Raw | None, field: str, at: int) -> Tensor:
    place = f"{field}[{at}]"
    datatype = check_datatype(tensor.datatype, place)
    shape = tensor.shape[:]
    if shape and min(shape) < 0:
        raise refusal(f"{place}.shape", "every dimension must be known", shape)
    parameters = _parameters(tensor.parameters)
    if raw is None:
        elements = _typed(datatype, tensor.contents, f"{place}.contents")
        return Tensor(tensor.name, datatype, shape, shaped(elements, shape, f"{place}.contents"), parameters, place)
    raw_place = f"raw_{field[:-1]}_contents[{at}]"
    if tensor.HasField("contents"):
        raise MessageError(f"{place}.contents: must be empty where {raw_place} has the elements")
    return Tensor(tensor.name, datatype, shape, raw, parameters, raw_place)


def _typed(datatype: str, contents: Any, place: str) -> Array:
    """The elements in the field of the datatype, flat."""
    field = _CONTENTS.get(datatype)
    if field is None:
        raise refusal(place, "FP16 and BF16 must come raw", datatype)
    if datatype in ("FP32", "FP64"):
        return _packed(contents, numpy_dtype(datatype), place, field)
    values = getattr(contents, field)
    if datatype == BYTES:
        elements = np.empty(len(values), dtype=object)
        elements[:] = list(values)
        return elements
    try:
        return np.fromiter(values, numpy_dtype(datatype), len(values))
    except OverflowError as error:
        raise refusal(f"{place}.{field}", f"must be numbers that {datatype} can hold: {error}", len(values)) from None


def _packed(contents: Any, dtype: np.dtype[Any], place: str, field: str) -> Array:
    """Floating-point elements by way of the message's serialized form, where they stand side by side already."""
    if any(other.name != field for other, _ in contents.ListFields()):
        raise MessageError(f"{place}: must have {field} alone")
    body = contents.SerializeToString()
    if not body:
        return np.empty(0, dtype)
    _, start = varint(body, 1)
    return np.frombuffer(body, dtype.newbyteorder("<"), offset=start).astype(dtype)


def _parameters(parameters: Mapping[str, Any]) -> Parameters:
    if not parameters:
        return {}
    chosen = {key: (value, value.WhichOneof("parameter_choice")) for key, value in parameters.items()}
    return {key: getattr(value, choice) for key, (value, choice) in chosen.items() if choice is not None}


# Writing


def encode_request(inference: Inference) -> bytes:
    parts = _parts("ModelInferRequest", inference, _RAW_INPUTS)
    for output in inference.outputs:
        request = _class("ModelInferRequest")()
        _fill_parameters(request.outputs.add(name=output.name).parameters, output.parameters)
        parts.append(request.SerializeToString())
    return b"".join(parts)


def encode_reply(inference: Inference) -> bytes:
    return b"".join(_parts("ModelInferResponse", inference, _RAW_OUTPUTS))


def encode_model(name: str, model: str, version: str) -> bytes:
    """The serialized ModelReadyRequest or ModelMetadataRequest."""
    return bytes(_class(name)(name=model, version=version).SerializeToString())


def _parts(message: str, inference: Inference, raw_number: int) -> list[Raw]:
    """Serialized messages of which each has some of the fields: side by side, they are the one that has them all.

    What most requests have in common is serialized once.
    """
    name, version = inference.model_name, inference.model_version
    model = _known_model if len(name) + len(version) <= _LONGEST else _model
    parts: list[Raw] = [model(message, name, version)]
    if inference.id:
        text = inference.id.encode()
        parts += (head(_ID, len(text)), text)
    if inference.parameters:
        own = _class(message)()
        _fill_parameters(own.parameters, inference.parameters)
        parts.append(own.SerializeToString())
    for tensor in inference.tensors:
        parts.append(_described(message, tensor))
        raw = tensor.raw()
        parts += (head(raw_number, len(raw)), raw)
    return parts


def _model(message: str, name: str, version: str) -> bytes:
    return bytes(_class(message)(model_name=name, model_version=version).SerializeToString())


def _described(message: str, tensor: Tensor) -> bytes:
    """All of a tensor but its elements."""
    name, shape = tensor.name, tuple(tensor.shape)
    if tensor.parameters:
        return _entry(message, name, tensor.datatype, shape, tensor.parameters)
    entry = _known_entry if len(name) + len(shape) <= _LONGEST else _entry
    return entry(message, name, tensor.datatype, shape)


def _entry(
    message: str, name: str, datatype: str, shape: tuple[int, ...], parameters: Parameters = MappingProxyType({})
) -> bytes:
    whole = _class(message)()
    entry = (whole.inputs if message == "ModelInferRequest" else whole.outputs).add(name=name, datatype=datatype)
    entry.shape.extend(shape)
    _fill_parameters(entry.parameters, parameters)
    return bytes(whole.SerializeToString())


_known_model = lru_cache(maxsize=_N_REMEMBERED)(_model)
_known_entry = lru_cache(maxsize=_N_REMEMBERED)(_entry)


def _fill_parameters(out: Any, parameters: Parameters) -> None:
    for key, value in parameters.items():
        setattr(out[key], _choice(value), value)


def _choice(value: Parameter) -> str:
    if isinstance(value, bool):
        return "bool_param"
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return "int64_param" if value < 2**63 else "uint64_param"
    return "string_param" if isinstance(value, str) else "double_param"


def encode_stream_reply(inference: Inference, error: str = "") -> bytes:
    """The serialized ModelStreamInferResponse: a reply, or an error with what is known of the request."""
    reply = encode_reply(inference)
    text = error.encode()
    told = [head(_ERROR_MESSAGE, len(text)), text] if text else []
    return b"".join([*told, head(_INFER_RESPONSE, len(reply)), reply])


def decode_stream_reply(body: bytes) -> tuple[Inference, str]:
    """A reply, and the error that stands in its place, "" if there is none."""
    reply = parsed("ModelStreamInferResponse", body)
    return decode_reply(reply.infer_response.SerializeToString()), reply.error_message
