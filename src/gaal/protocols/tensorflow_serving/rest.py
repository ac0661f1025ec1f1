"""Predictions in JSON, for servers and for clients: by rows (`instances`) and by columns (`inputs`).

| request                                            | reply                                                    |
|----------------------------------------------------|----------------------------------------------------------|
| `{"instances": [row, …]}`                          | `{"predictions": [row, …]}`                              |
| `{"instances": [{name: value, …}, …]}`             | the same; with several outputs, rows are objects too     |
| `{"inputs": values}`, `{"inputs": {name: values}}` | `{"outputs": values}`, `{"outputs": {name: values}}`     |
| `{"examples": [{feature: value}], "context": {…}}` | `{"result": [[[label, score], …], …]}`, `[value, …]`     |

`{"b64": text}` stands for bytes anywhere. Bytes in a reply are text where they are UTF-8, and `{"b64": text}` where
they are not or where the name of the output ends with `_bytes`. Numbers that are not finite are bare literals. Every
error is a MessageError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gaal.errors import MessageError
from gaal.messages import Array, Kind, Message
from gaal.protocols.base64_text import encode_base64
from gaal.protocols.json_text import dump, parse, printable, refusal
from gaal.protocols.named_tensors import arrays_of_payload, named_arrays, payload_of_arrays
from gaal.protocols.rows_and_columns import arrays_of_rows, listed, payload_of_columns, payload_of_rows, with_bytes

INPUTS, OUTPUTS = "inputs", "outputs"
"""TensorFlow's own names for what has no name."""


# A server's side


def decode_request(body: bytes) -> tuple[Message, bool]:
    """The message, and whether it came by rows, which the reply has to be in as well."""
    fields = _fields(body)
    by_rows = "instances" in fields
    if by_rows == ("inputs" in fields):
        raise refusal("body", "must have either instances or inputs", list(fields))
    payload = payload_of_rows(fields["instances"]) if by_rows else payload_of_columns(fields["inputs"])
    return Message(payload), by_rows


def encode_reply(message: Message, by_rows: bool) -> bytes:
    payload = message.payload
    if payload is None:
        return dump({"predictions": []} if by_rows else {"outputs": []})
    if payload.kind is Kind.JSON_DATA and named_arrays(payload) is None:
        return dump(_of_json(payload.value, by_rows), bare_non_finite=True)
    arrays = arrays_of_payload(payload, (), OUTPUTS)
    shown = {"predictions": _rows(arrays)} if by_rows else {"outputs": _columns(arrays)}
    return dump(shown, bare_non_finite=True)


def decode_examples(body: bytes) -> Message:
    """The request of classify and regress: features by name, those of `context` in every example."""
    fields = _fields(body)
    context = fields.get("context") or {}
    if not isinstance(context, dict):
        raise refusal("context", "must be a JSON object", context)
    examples = listed(fields.get("examples"), "examples")
    for at, example in enumerate(examples):
        if not isinstance(example, dict):
            raise refusal(f"examples[{at}]", "must be a JSON object", example)
    return Message(payload_of_arrays(arrays_of_rows([{**context, **example} for example in examples], "examples")))


def encode_classes(message: Message) -> bytes:
    """A label and a score for each class of each example: of `classes` and `scores`, or of a table with names."""
    arrays = {} if message.payload is None else arrays_of_payload(message.payload, (), OUTPUTS)
    if {"classes", "scores"} <= arrays.keys():
        return dump({"result": _classified(arrays["classes"], arrays["scores"])}, bare_non_finite=True)
    [array] = arrays.values() if len(arrays) == 1 else [np.empty(0)]
    if array.ndim != 2:
        raise refusal("result", "classes need a table of scores, or the arrays classes and scores", array.shape)
    names = list(message.payload.names) if message.payload is not None else []
    labels = names if len(names) == array.shape[1] else [str(at) for at in range(array.shape[1])]
    rows: Any = array.tolist()
    return dump({"result": [_pairs(labels, scores) for scores in rows]}, bare_non_finite=True)


def encode_values(message: Message) -> bytes:
    """One number for each example."""
    arrays = {} if message.payload is None else arrays_of_payload(message.payload, (), OUTPUTS)
    [array] = arrays.values() if len(arrays) == 1 else [np.empty((0, 0, 0))]
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
        raise refusal("result", "a regression needs one number for each example", array.shape)
    return dump({"result": printable(array.reshape(-1))}, bare_non_finite=True)


def _classified(classes: Array, scores: Array) -> list[list[list[Any]]]:
    if classes.ndim != 2 or classes.shape != scores.shape:
        shapes = {"classes": classes.shape, "scores": scores.shape}
        raise refusal("result", "classes and scores must have the same shape (examples, classes)", shapes)
    rows: list[tuple[Any, Any]] = list(zip(_values(classes, "classes", listed=True), scores.tolist(), strict=True))
    return [_pairs(labels, row) for labels, row in rows]


def _pairs(labels: Sequence[Any], scores: Sequence[Any]) -> list[list[Any]]:
    return [[label, score] for label, score in zip(labels, scores, strict=True)]


# A client's side


def encode_request(message: Message, signature: str = "") -> bytes:
    """By rows where there is one array, by columns where there are several."""
    fields: dict[str, Any] = {"signature_name": signature} if signature else {}
    payload = message.payload
    if payload is None:
        raise MessageError("the message must have a payload to be predicted")
    if (
        payload.kind is Kind.JSON_DATA
        and isinstance(payload.value, dict)
        and payload.value.keys() & {"instances", "inputs"}
    ):
        return dump({**fields, **payload.value}, bare_non_finite=True)
    arrays = arrays_of_payload(payload, (), INPUTS)
    if len(arrays) == 1:
        return dump({**fields, "instances": _rows(arrays)}, bare_non_finite=True)
    return dump({**fields, "inputs": _columns(arrays)}, bare_non_finite=True)


def decode_reply(body: bytes, output_name: str = "") -> Message:
    """The outputs, or the one that is named."""
    message = _reply(body)
    if not output_name:
        return message
    arrays = arrays_of_payload(message.payload, (), output_name)
    if output_name not in arrays:
        raise MessageError(f"outputs: must have {output_name}, got {', '.join(arrays)}")
    return Message(payload_of_arrays({output_name: arrays[output_name]}))


def _reply(body: bytes) -> Message:
    fields = _fields(body)
    if "predictions" in fields:
        return Message(payload_of_rows(fields["predictions"], "predictions"))
    if "outputs" in fields:
        return Message(payload_of_columns(fields["outputs"], "outputs"))
    raise refusal("body", "must have predictions or outputs", list(fields))


# From JSON


def _fields(body: bytes) -> dict[str, Any]:
    fields = parse(body)
    if not isinstance(fields, dict):
        raise refusal("body", "must be a JSON object", fields)
    return with_bytes(fields, body)


# To JSON


def _of_json(value: Any, by_rows: bool) -> Any:
    """A JSON value of the component's own; a whole reply as it is."""
    if isinstance(value, dict) and value.keys() & {"predictions", "outputs"}:
        return value
    if not by_rows:
        return {"outputs": value}
    return {"predictions": value if isinstance(value, list) else [value]}


def _rows(arrays: Mapping[str, Array]) -> Any:
    if len(arrays) == 1:
        [(name, array)] = arrays.items()
        return _values(array if array.ndim else array.reshape(1), name)
    shapes = {name: array.shape for name, array in arrays.items()}
    if len({shape[0] if shape else None for shape in shapes.values()}) > 1 or () in shapes.values():
        raise refusal("predictions", "outputs of several lengths have no rows; ask with inputs, not instances", shapes)
    columns = [_values(array, name, listed=True) for name, array in arrays.items()]
    return [dict(zip(arrays, row, strict=True)) for row in zip(*columns, strict=True)]


def _columns(arrays: Mapping[str, Array]) -> Any:
    if len(arrays) == 1:
        return _rows(arrays)
    return {name: _values(array, name) for name, array in arrays.items()}


def _values(array: Array, name: str, listed: bool = False) -> Any:
    if array.dtype.kind in "OSU":
        return _texts(array.tolist(), name.endswith("_bytes"))
    return array.tolist() if listed else printable(array)


def _texts(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_texts(item, as_bytes) for item in value]
    if isinstance(value, str) and as_bytes:
        value = value.encode()
    if not isinstance(value, bytes):
        return value
    try:
        return {"b64": encode_base64(value)} if as_bytes else value.decode()
    except UnicodeDecodeError:
        return {"b64": encode_base64(value)}
