"""V2 over REST: JSON, and the binary extension, by which tensors stand behind the JSON, one after the other.

A body with binary tensors has the length of its JSON in the header `Inference-Header-Content-Length`, and each such
tensor its own in the parameter `binary_data_size`. Which outputs come so, a request says for each by `binary_data`,
and for the rest by its own parameter `binary_data_output`. Every error is a MessageError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from gaal.errors import MessageError
from gaal.protocols.base64_text import encode_base64
from gaal.protocols.json_text import dump, parse, refusal
from gaal.protocols.open_inference.datatypes import bytes_of, check_datatype, values_of_array
from gaal.protocols.open_inference.inference import AskedOutput, Inference, Parameters, Tensor

Body: TypeAlias = tuple[bytes, int | None]
"""A body, and the length of the JSON at its start where binary tensors follow."""

_BINARY_SIZE = "binary_data_size"
_NOTHING = memoryview(b"")


# Reading


def decode_request(body: bytes, json_bytes: int | None = None) -> Inference:
    fields, binary = _parts(body, json_bytes)
    tensors = _tensors(fields, "inputs", binary)
    if not tensors:
        raise refusal("inputs", "must have at least one tensor", fields.get("inputs"))
    return Inference(
        tensors,
        id=_text(fields, "id"),
        parameters=_parameters(fields),
        outputs=_asked(_objects(fields, "outputs")),
    )


def decode_reply(body: bytes, json_bytes: int | None = None) -> Inference:
    fields, binary = _parts(body, json_bytes)
    return Inference(
        _tensors(fields, "outputs", binary),
        _text(fields, "model_name"),
        _text(fields, "model_version"),
        _text(fields, "id"),
        _parameters(fields),
    )


def json_length(header: bytes | str | None) -> int | None:
    """The value of `Inference-Header-Content-Length`."""
    if header is None:
        return None
    text = header.decode("latin-1") if isinstance(header, bytes) else header
    if not (text.isascii() and text.isdigit()):
        raise refusal("Inference-Header-Content-Length", "must be an integer ≥ 0", text)
    return int(text)


def _parts(body: bytes, json_bytes: int | None) -> tuple[dict[str, Any], memoryview]:
    binary = _NOTHING
    if json_bytes is not None:
        if json_bytes > len(body):
            rule = f"must be at most the {len(body)} bytes of the body"
            raise refusal("Inference-Header-Content-Length", rule, json_bytes)
        binary = memoryview(body)[json_bytes:]
        body = body[:json_bytes]
    fields = parse(body)
    if not isinstance(fields, dict):
        raise refusal("body", "must be a JSON object", fields)
    return fields, binary


def _tensors(fields: Mapping[str, Any], field: str, binary: memoryview) -> list[Tensor]:
    tensors = []
    for at, each in enumerate(_objects(fields, field)):
        tensor, n_bytes = _tensor(each, f"{field}[{at}]", binary)
        if n_bytes:
            binary = binary[n_bytes:]
        tensors.append(tensor)
    if binary:
        raise MessageError(f"{field}: {len(binary)} bytes behind the JSON belong to no tensor")
    if len(tensors) > 1 and len({tensor.name for tensor in tensors}) < len(tensors):
        raise refusal(field, "every tensor must have a name of its own", [tensor.name for tensor in tensors])
    return tensors


def _tensor(fields: Mapping[str, Any], place: str, binary: memoryview) -> tuple[Tensor, int]:
    """And the number of bytes behind the JSON that are its own."""
    name = _text(fields, "name", place)
    datatype = check_datatype(fields.get("datatype"), place)
    shape = _shape(fields.get("shape"), place)
    parameters = _parameters(fields, place)
    if _BINARY_SIZE not in parameters:
        if "data" not in fields:
            raise MessageError(f"{place}.data: must be there, or the parameter {_BINARY_SIZE}")
        return Tensor(name, datatype, shape, fields["data"], parameters, place), 0
    own = dict(parameters)
    n_bytes = own.pop(_BINARY_SIZE)
    if type(n_bytes) is not int or not 0 <= n_bytes <= len(binary):
        rule = f"must be at most the {len(binary)} bytes that are left behind the JSON"
        raise refusal(f"{place}.parameters.{_BINARY_SIZE}", rule, n_bytes)
    return Tensor(name, datatype, shape, binary[:n_bytes], own, place), n_bytes


def _asked(outputs: Sequence[dict[str, Any]]) -> Sequence[AskedOutput]:
    if not outputs:
        return ()
    places = [f"outputs[{at}]" for at in range(len(outputs))]
    return [
        AskedOutput(_text(each, "name", place), _parameters(each, place))
        for each, place in zip(outputs, places, strict=True)
    ]


def _objects(fields: Mapping[str, Any], field: str) -> Sequence[dict[str, Any]]:
    values = fields.get(field)
    if values is None:
        return ()
    if not isinstance(values, list):
        raise refusal(field, "must be an array of objects", values)
    for at, value in enumerate(values):
        if not isinstance(value, dict):
            raise refusal(f"{field}[{at}]", "must be a JSON object", value)
    return values


# A place is put together for an error alone: for every field of every request, that would take as long as the rest.


def _text(fields: Mapping[str, Any], field: str, place: str = "") -> str:
    value = fields.get(field)
    if value is None and field != "name":
        return ""
    if not isinstance(value, str):
        raise refusal(_below(place, field), "must be a string", value)
    return value


def _shape(value: Any, place: str) -> Sequence[int]:
    if not isinstance(value, list):
        raise refusal(_below(place, "shape"), "must be an array of integers", value)
    for at, size in enumerate(value):
        if type(size) is not int or size < 0:
            raise refusal(_below(place, f"shape[{at}]"), "must be an integer ≥ 0", size)
    return value


def _parameters(fields: Mapping[str, Any], place: str = "") -> Parameters:
    """A null is the same as nothing."""
    value = fields.get("parameters")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refusal(_below(place, "parameters"), "must be a JSON object", value)
    return {key: item for key, item in value.items() if item is not None}


def _below(place: str, field: str) -> str:
    return f"{place}.{field}" if place else field


# Writing


def encode_request(inference: Inference, *, binary: bool = False) -> Body:
    """`binary` puts all inputs behind the JSON, and asks for all outputs there."""
    parameters = {**inference.parameters, "binary_data_output": True} if binary else inference.parameters
    fields: dict[str, Any] = {"id": inference.id} if inference.id else {}
    if parameters:
        fields["parameters"] = parameters
    outputs = [_asked_object(output) for output in inference.outputs]
    return _body(fields, "inputs", inference.tensors, {}, binary, outputs)


def encode_reply(reply: Inference, request: Inference) -> Body:
    """The reply with its outputs in the form that `request` wants each in."""
    fields: dict[str, Any] = {"model_name": reply.model_name}
    if reply.model_version:
        fields["model_version"] = reply.model_version
    if reply.id:
        fields["id"] = reply.id
    if reply.parameters:
        fields["parameters"] = reply.parameters
    general = request.parameters.get("binary_data_output", False) is True
    return _body(fields, "outputs", reply.tensors, _binary(request.outputs) if request.outputs else {}, general)


def _binary(outputs: Sequence[AskedOutput]) -> dict[str, bool]:
    """The outputs that say themselves whether they are to stand behind the JSON."""
    said = {output.name: output.parameters.get("binary_data") for output in outputs}
    return {name: value is True for name, value in said.items() if value is not None}


def _asked_object(output: AskedOutput) -> dict[str, Any]:
    return {"name": output.name, **({"parameters": output.parameters} if output.parameters else {})}


def _body(
    fields: dict[str, Any],
    field: str,
    tensors: Sequence[Tensor],
    binary: Mapping[str, bool],
    others_binary: bool,
    outputs: Sequence[dict[str, Any]] = (),
) -> Body:
    """`binary` says by name which tensors stand behind the JSON; `others_binary`, whether those do that it lacks."""
    behind: list[bytes | memoryview] = []
    objects = []
    for tensor in tensors:
        if binary.get(tensor.name, others_binary):
            raw = tensor.raw()
            behind.append(raw)
            objects.append(_object(tensor, {**tensor.parameters, _BINARY_SIZE: len(raw)}))
        else:
            objects.append(_object_with_data(tensor))
    fields[field] = objects
    if outputs:
        fields["outputs"] = outputs
    text = dump(fields)
    if not behind:
        return text, None
    return b"".join((text, *behind)), len(text)


def _object(tensor: Tensor, parameters: Parameters) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
    if parameters:
        fields["parameters"] = parameters
    return fields


def _object_with_data(tensor: Tensor) -> dict[str, Any]:
    fields = _object(tensor, tensor.parameters)
    if isinstance(tensor.values, list):  # as it came
        fields["data"] = tensor.values
        return fields
    array = tensor.elements()
    try:
        fields["data"] = values_of_array(array, tensor.datatype)
        return fields
    except UnicodeDecodeError:
        data = [encode_base64(bytes_of(item)) for item in array.reshape(-1).tolist()]
        return {**_object(tensor, {**tensor.parameters, "content_type": "base64"}), "data": data}
