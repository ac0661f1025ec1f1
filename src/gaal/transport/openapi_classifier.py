"""The Classifier API in OpenAPI, with the message types that the client who asks has registered."""

from __future__ import annotations

from typing import Any

import orjson

from gaal.protocols.own_types import DEFAULT_CLASS, OwnTypes
from gaal.protocols.proto_schema import schemas_of

TAG = {"name": "classifier", "description": "The Classifier API of Seldon Server, with the client's own types."}
SCHEMAS = "#/components/schemas/"
OWN = "own."
"""Before the names of the client's types, which may be called as the server's are."""

Json = dict[str, Any]


def paths(types: OwnTypes) -> Json:
    """The operations by their paths."""
    example = {"data": types.empty_json() or [0.0, 0.0]}
    puid = _parameter("puid", "The id of the prediction, where meta.puid does not give one.")
    callback = _parameter("jsonpCallback", "The function that the reply is handed to.", required=True)
    key = _parameter("consumer_key", "A key of the client with the scope js.", required=True)
    request = _parameter("json", "The request, as JSON text.", required=True, example=orjson.dumps(example).decode())
    event = _parameter("json", "The event, as JSON text.", example='{"type": 1}')
    return {
        "/predict": {
            "post": {
                **_operation("classify", "Predict", _json_reply("ClassificationReply")),
                "parameters": [puid],
                "requestBody": _body("ClassificationRequest", example),
            }
        },
        "/js/predict": {
            "get": {
                **_operation("classifyForScript", "Predict, from a page of another site (JSONP)", _script_reply()),
                "parameters": [key, callback, request, puid],
            }
        },
        "/events": {
            "post": {
                **_operation("reportEvent", "Report an event", _json_reply("Event")),
                "parameters": [],
                "requestBody": _body("AnyEvent", {"type": 1}),
            }
        },
        "/js/event/new": {
            "get": {
                **_operation("reportEventForScript", "Report an event, from a page of another site", _script_reply()),
                "parameters": [key, callback, event],
            }
        },
    }


def schemas(types: OwnTypes) -> Json:
    """What the operations refer to: requests, replies, and the client's types in them."""
    return {
        "ClassificationRequest": {
            "type": "object",
            "description": "One row of features.",
            "properties": {"meta": _object(puid=_TEXT), "data": _data(types)},
            "additionalProperties": False,
        },
        "ClassificationReply": {
            "type": "object",
            "description": "A prediction for each class.",
            "properties": {
                "meta": _object(puid=_TEXT, modelName=_TEXT, variation=_TEXT),
                "predictions": {
                    "type": "array",
                    "items": _object(prediction=_NUMBER, predictedClass=_TEXT, confidence=_NUMBER),
                },
                "custom": _custom(types),
            },
        },
        "AnyEvent": {"type": "object", "description": "What happened, in the client's own words."},
        "Event": {"type": "object", "properties": {"json": {"type": "string", "description": "The event, as kept."}}},
        **_own_schemas(types),
    }


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def _own_schemas(types: OwnTypes) -> Json:
    found: Json = {}
    for name in (types.request_class, types.reply_class):
        if name and name != DEFAULT_CLASS:
            found |= schemas_of(types, name, SCHEMAS + OWN)
    return {OWN + name: schema for name, schema in found.items()}


def _data(types: OwnTypes) -> Json:
    if types.request_class == DEFAULT_CLASS:
        return {"type": "array", "items": _NUMBER, "description": "A number a feature."}
    return {"$ref": SCHEMAS + OWN + types.request_class}


def _custom(types: OwnTypes) -> Json:
    if not types.reply_class:
        return {"description": "What the model adds of its own, or null."}
    return {"anyOf": [{"$ref": SCHEMAS + OWN + types.reply_class}, {"type": "null"}]}


def _parameter(name: str, description: str, *, required: bool = False, example: str = "") -> Json:
    parameter: Json = {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": dict(_TEXT),
    }
    if example:
        parameter["schema"]["examples"] = [example]
    return parameter


def _operation(name: str, summary: str, success: Json) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "tags": [TAG["name"]],
        "responses": {
            "200": success,
            "default": {"description": "What was wrong: error_id, error_msg, http_response."},
        },
    }


def _body(schema: str, example: Json) -> Json:
    content = {"schema": {"$ref": SCHEMAS + schema}, "examples": {"smallest": {"value": example}}}
    return {"required": True, "content": {"application/json": content}}


def _json_reply(schema: str) -> Json:
    content = {"application/json": {"schema": {"$ref": SCHEMAS + schema}}}
    return {"description": "It went well.", "content": content}


def _script_reply() -> Json:
    content = {"application/javascript": {"schema": dict(_TEXT)}}
    return {"description": "A call of the function, with the reply in JSON.", "content": content}
