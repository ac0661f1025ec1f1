"""What OpenAPI tells of the protocols beside Seldon's: the paths of a model, and those of the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]

_TENSOR: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "datatype": {
            "type": "string",
            "description": "BOOL, UINT8 to UINT64, INT8 to INT64, FP16 to FP64, BF16, BYTES.",
        },
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "data": {"type": "array", "description": "The elements, flat or nested.", "items": {}},
        "parameters": {"type": "object"},
    },
    "required": ["name", "datatype", "shape"],
}


def _tensors(field: str, description: str) -> Json:
    properties = {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        field: {"type": "array", "items": _TENSOR},
    }
    return {"type": "object", "description": description, "properties": properties, "required": [field]}


def _one_of(description: str, *fields: str) -> Json:
    either = [{"required": [field]} for field in fields]
    return {"type": "object", "description": description, "oneOf": either}


_INSTANCES = _one_of("Rows, or columns.", "instances", "inputs")
_FRAME = _one_of("A table, rows, or columns.", "dataframe_split", "dataframe_records", "instances", "inputs")


def model_paths(name: str, tag: str, examples: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """The paths of a model below its base; the examples are those of the Seldon protocol."""
    table, names = _table(next(iter(examples.values())))
    yield f"/v2/models/{name}", {"get": _operation("model", "What the model takes and gives", tag)}
    yield f"/v2/models/{name}/ready", {"get": _operation("modelReady", "Whether the model can be called", tag)}
    request = _tensors("inputs", "A request of the Open Inference Protocol V2.")
    body = _body(request, "inputs", {"inputs": _inputs(table, names)})
    yield f"/v2/models/{name}/infer", {"post": _operation("infer", "Predict, in V2", tag, body)}
    yield f"/v1/models/{name}", {"get": _operation("modelStatus", "The states of the model's versions", tag)}
    yield f"/v1/models/{name}/metadata", {"get": _operation("modelSignature", "The model's signature", tag)}
    rows = [dict(zip(names, row, strict=True)) for row in table] if names else table
    body = _body(_INSTANCES, "instances", {"instances": rows})
    summary = "Predict, as TensorFlow Serving and KServe V1 do"
    yield f"/v1/models/{name}:predict", {"post": _operation("instances", summary, tag, body)}
    frame = {"dataframe_split": {"columns": names, "data": table}} if names else {"inputs": table}
    body = _body(_FRAME, next(iter(frame)), frame)
    body["content"]["text/csv"] = {"schema": {"type": "string", "description": "Rows under a header."}}
    yield "/invocations", {"post": _operation("invocations", "Predict, as MLflow does", tag, body)}


def server_paths() -> Iterator[tuple[str, Json]]:
    for path, name, summary in (
        ("/v2", "inferenceServer", "Name, version and extensions of the server"),
        ("/v2/health/live", "inferenceLive", "Whether the server lives"),
        ("/v2/health/ready", "inferenceReady", "Whether the server takes requests"),
        ("/v2/models", "inferenceModels", "The names of the models, in V2"),
        ("/v1/models", "models", "The names of the models, in KServe V1"),
    ):
        yield path, {"get": _operation(name, summary, "server")}
    yield "/v2/repository/index", {"post": _operation("repositoryIndex", "What is served, by version", "server")}


def _operation(name: str, summary: str, tag: str, body: Json | None = None) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        **({"requestBody": body} if body else {}),
        "responses": {
            "200": {"description": "It went well.", "content": {"application/json": {"schema": {}}}},
            "default": {"description": "What was wrong.", "content": {"application/json": {"schema": _ERROR}}},
        },
    }


_ERROR: Json = {
    "type": "object",
    "description": "A text under `error`; of MLflow's path under `message`, beside `error_code`.",
}


def _body(schema: Json, name: str, example: Json) -> Json:
    content = {"schema": schema, "examples": {name: {"value": example}}}
    return {"required": True, "content": {"application/json": content}}


def _table(example: Json) -> tuple[Any, Sequence[str]]:
    """The rows of an example of the Seldon protocol, and the names of its columns."""
    data = example.get("data")
    if data is None:
        return [next(iter(example.values()))], ()
    names = data.get("names", ())
    if "ndarray" in data:
        return data["ndarray"], names
    tensor = data.get("tensor")
    if tensor is None:
        sizes = [int(dim["size"]) for dim in data["tftensor"]["tensorShape"]["dim"]]
        tensor = {"shape": sizes, "values": data["tftensor"]["doubleVal"]}
    rows = tensor["values"]
    for size in reversed(tensor["shape"][1:]):
        rows = [rows[at : at + size] for at in range(0, len(rows), size)]
    return rows, names


def _inputs(table: Any, names: Sequence[str]) -> list[Json]:
    """A column each, where they have names; else one tensor, of numbers or of texts."""
    if names:
        columns = zip(names, zip(*table, strict=True), strict=True)
        return [
            {"name": name, "datatype": "FP64", "shape": [len(column)], "data": [*column]} for name, column in columns
        ]
    shape = []
    inner = table
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0]
    if isinstance(inner, (int, float)):
        return [{"name": "input-0", "datatype": "FP64", "shape": shape, "data": table}]
    texts = {"name": "input-0", "datatype": "BYTES", "shape": [1], "data": [str(inner)]}
    return [{**texts, "parameters": {"content_type": "str"}}]
