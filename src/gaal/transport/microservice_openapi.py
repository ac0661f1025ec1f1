"""What a microservice serves over REST, told in OpenAPI 3.1: the document at `/seldon.json`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from gaal import __version__
from gaal.transport.rest import Endpoint, Reply, Request

Json = dict[str, Any]

PATH = "/seldon.json"

OPERATIONS = {
    "/predict": ("predict", "Predict", "SeldonMessage"),
    "/transform-input": ("transformInput", "Transform what goes in", "SeldonMessage"),
    "/transform-output": ("transformOutput", "Transform what comes out", "SeldonMessage"),
    "/route": ("route", "Choose a branch; the reply holds its number", "SeldonMessage"),
    "/aggregate": ("aggregate", "Make one reply of several", "SeldonMessageList"),
    "/send-feedback": ("sendFeedback", "Tell what became of a prediction", "Feedback"),
}
"""By path: the operation's id, what it does, and what it takes."""

ALIASES = {
    f"/api/{version}/{alias}": (path, f"{name}_{version.replace('.', '_')}")
    for version in ("v0.1", "v1.0")
    for alias, path, name in (("predictions", "/predict", "predict"), ("feedback", "/send-feedback", "sendFeedback"))
}

READS = {
    "/health/ping": ("ping", "Whether the process answers", ""),
    "/health/status": ("health", "What the class says of its health", "SeldonMessage"),
    "/api/v1.0/health/status": ("health_v1_0", "What the class says of its health", "SeldonMessage"),
    "/metadata": ("metadata", "What the model takes and gives", "ModelMetadata"),
    "/api/v1.0/metadata": ("metadata_v1_0", "What the model takes and gives", "ModelMetadata"),
}


def endpoint() -> Endpoint:
    async def show(request: Request) -> Reply:
        return Reply(orjson.dumps(document(), option=orjson.OPT_INDENT_2))

    return Endpoint(("GET", "HEAD", "OPTIONS"), show)


@cache
def document() -> Json:
    paths = {path: _both(name, summary, takes) for path, (name, summary, takes) in OPERATIONS.items()}
    for alias, (path, name) in ALIASES.items():
        _, summary, takes = OPERATIONS[path]
        paths[alias] = {"post": _post(name, summary, takes)}
    paths |= {path: {"get": _operation(name, summary, gives)} for path, (name, summary, gives) in READS.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gaal microservice",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "summary": "One unit of an inference graph: the internal prediction API.",
        },
        "paths": paths,
        "components": {"schemas": _schemas(), "responses": {"Error": _error()}},
    }


def _both(name: str, summary: str, takes: str) -> Json:
    query = {
        "name": "json",
        "in": "query",
        "required": True,
        "description": "The request, as JSON text.",
        "schema": {"type": "string"},
    }
    return {
        "post": _post(name, summary, takes),
        "get": {**_operation(f"{name}_get", summary, "SeldonMessage"), "parameters": [query]},
    }


def _post(name: str, summary: str, takes: str) -> Json:
    form = {"type": "object", "properties": {"json": {"type": "string"}}, "required": ["json"]}
    content = {
        "application/json": {"schema": _reference(takes)},
        "application/x-www-form-urlencoded": {"schema": form},
        "multipart/form-data": {"schema": {"type": "object", "description": "One part a field of the request."}},
    }
    return {
        **_operation(name, summary, "SeldonMessage"),
        "requestBody": {"required": True, "content": content},
    }


def _operation(name: str, summary: str, gives: str) -> Json:
    content = (
        {"application/json": {"schema": _reference(gives)}} if gives else {"text/html": {"schema": {"type": "string"}}}
    )
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "It went well.", "content": content},
            "default": {"$ref": "#/components/responses/Error"},
        },
    }


def _reference(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


def _schemas() -> Json:
    schemas: Json = orjson.loads(files("gaal.transport").joinpath("static", "schemas.json").read_bytes())
    messages = {"type": "array", "items": _reference("SeldonMessage")}
    whole = {"type": "object", "properties": {"seldonMessages": messages}, "required": ["seldonMessages"]}
    return {**schemas, "SeldonMessageList": {"anyOf": [whole, messages]}}


def _error() -> Json:
    texts = {"info": {"type": "string"}, "reason": {"type": "string"}}
    status = {"type": "object", "properties": {"code": {"const": -1}, "status": {"const": 1}, **texts}}
    schema = {"type": "object", "properties": {"status": status}, "required": ["status"]}
    return {"description": "What was wrong.", "content": {"application/json": {"schema": schema}}}
