"""What is served over REST, told in OpenAPI 3.1, and the page that shows it and tries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

import orjson

from gaal import __version__
from gaal.protocols.own_types import OwnTypes
from gaal.transport import openapi_classifier
from gaal.transport.deployments import Deployments, Served
from gaal.transport.docs_page import render_page
from gaal.transport.examples import feedback_example, prediction_examples
from gaal.transport.openapi_models import model_paths, server_paths
from gaal.transport.rest import Endpoint, Reply, Request

DOCUMENT_PATHS = ("/openapi.json", "/api/v1.0/doc/seldon.json", "/api/v0.1/doc/seldon.json")
PAGE_PATHS = ("/docs", "/docs/", "/api/v1.0/doc/", "/api/v0.1/doc/")
ASSETS = {
    "docs.css": b"text/css; charset=utf-8",
    "docs.mjs": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}
READ = ("GET", "HEAD", "OPTIONS")

ALIAS = "aliases"
"""The tag of operations that are others under another path."""

SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
)

Json = dict[str, Any]

SECURITY: Json = {"security": [{"token": []}, {"client": []}]}
"""What the document says where requests must show a token; the names are those of `SECURITY_SCHEMES`."""

SECURITY_SCHEMES: Json = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of a client, or of the configured issuer."},
    "client": {
        "type": "oauth2",
        "description": "A token for the key and the secret of a client.",
        "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}},
    },
}


TypesOf: TypeAlias = Callable[[Request], Awaitable[OwnTypes | None]]
"""What the client of a request has registered; None where the request shows no token."""


def pages(
    deployments: Deployments, types_of: TypesOf | None = None, *, needs_token: bool = False
) -> Mapping[str, Endpoint]:
    """The endpoints of the document, of the page and of what the page loads, by path.

    With `types_of` a client is shown the Classifier API too, with its own types. `needs_token` says that requests
    must show a token.
    """

    async def seen(request: Request) -> Json:
        types = None if types_of is None else await types_of(request)
        return await document(deployments.seen_by(request.caller), types) | (SECURITY if needs_token else {})

    async def as_json(request: Request) -> Reply:
        return Reply(orjson.dumps(await seen(request), option=orjson.OPT_INDENT_2))

    def as_page(path: str) -> Endpoint:
        async def show(request: Request) -> Reply:
            html = render_page(await seen(request), path)
            return Reply(html.encode(), content_type=b"text/html; charset=utf-8", headers=SECURITY_HEADERS)

        return Endpoint(READ, show)

    folders = dict.fromkeys(path if path.endswith("/") else f"{path}/" for path in PAGE_PATHS)
    return {
        **{path: Endpoint(READ, as_json) for path in DOCUMENT_PATHS},
        **{path: as_page(path) for path in PAGE_PATHS},
        **{f"{folder}{name}": _asset(name, kind) for folder in folders for name, kind in ASSETS.items()},
    }


def _asset(name: str, content_type: bytes) -> Endpoint:
    async def read(request: Request) -> Reply:
        headers = ((b"cache-control", b"no-cache"), *SECURITY_HEADERS)
        return Reply(_static(name), content_type=content_type, headers=headers)

    # Open: a browser that was given a page asks for these without the page's token, and they tell nothing.
    return Endpoint(READ, read, is_open=True)


@cache
def _static(name: str) -> bytes:
    return files("gaal.transport").joinpath("static", name).read_bytes()


async def document(deployments: Deployments, types: OwnTypes | None = None) -> Json:
    """The OpenAPI document. The examples fit what the units say now of their inputs, and `types` if there are any."""
    paths: Json = {}
    tags = []
    for served in deployments:
        tag = f"{served.namespace}/{served.name}"
        tags.append({"name": tag, "description": _described(served)})
        prefix = f"/seldon/{served.namespace}/{served.name}"
        operations = await _operations(served, tag)
        bases = ("", prefix) if deployments.only is not None else (prefix,)
        for base, version in ((base, version) for base in bases for version in ("v1.0", "v0.1")):
            is_alias = (base, version) != (bases[0], "v1.0")
            for path, item in operations.items():
                paths[f"{base}/api/{version}{path}"] = _under(item, base, version, is_alias)
        for base in bases:
            for path, item in model_paths(served.name, tag, await _examples(served)):
                paths[f"{base}{path}"] = _under(item, base, "model", base != bases[0])
    if types is not None:
        tags.append(openapi_classifier.TAG)
        paths |= openapi_classifier.paths(types)
    tags.append({"name": "server", "description": "The server itself."})
    paths |= dict(_server_paths()) | dict(server_paths())
    if any(ALIAS in operation["tags"] for item in paths.values() for operation in _methods(item)):
        tags.append({"name": ALIAS, "description": "The same operations under other paths."})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gaal",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "summary": "Models and inference graphs over REST and gRPC.",
            "description": "gRPC and gRPC-Web are served on the same port, with server reflection.",
        },
        "paths": paths,
        "components": _components(types),
        "tags": tags,
    }


def _described(served: Served) -> str:
    predictors = served.running.deployment.predictors
    units = sum(1 for predictor in predictors for _ in predictor.graph.walk())
    return f"{_counted(len(predictors), 'predictor')}, {_counted(units, 'unit')}."


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _methods(item: Json) -> Iterator[Json]:
    return (item[method] for method in ("get", "post") if method in item)


def _under(item: Json, base: str, version: str, is_alias: bool) -> Json:
    """The same operation under another path, with an id of its own."""
    names = [*base.split("/")[2:], *([version.replace(".", "_")] if is_alias else [])]
    suffix = "".join(f"_{name.replace('-', '_')}" for name in names)
    changed: Json = {}
    for method in ("get", "post"):
        if method in item:
            own = {"operationId": item[method]["operationId"] + suffix}
            changed[method] = {**item[method], **own, **({"tags": [ALIAS]} if is_alias else {})}
    return changed


async def _operations(served: Served, tag: str) -> dict[str, Json]:
    """The operations of a deployment by their path below `/api/<version>`."""
    examples = await _examples(served)
    routing = {unit.name: 0 for unit in served.running.predictors[0].predictor.graph.walk() if unit.children}
    feedback = feedback_example(next(iter(examples.values())), routing)
    units = sorted({name for predictor in served.running.predictors for name in predictor.nodes})
    unit = {
        "name": "unit",
        "in": "path",
        "required": True,
        "description": "A unit of the graph",
        "schema": {"type": "string", "enum": units},
    }

    def operation(name: str, summary: str, schema: str = "", **more: Any) -> Json:
        puid = [{"$ref": "#/components/parameters/Puid"}] if "requestBody" in more else []
        return {
            "operationId": name,
            "summary": summary,
            "tags": [tag],
            "parameters": [*puid, *more.pop("parameters", ())],
            **more,
            "responses": {"200": _success(schema), "default": {"$ref": "#/components/responses/Error"}},
        }

    return {
        "/predictions": {
            "post": operation("predict", "Predict", "SeldonMessage", requestBody=_prediction_body(examples))
        },
        "/feedback": {
            "post": operation(
                "sendFeedback",
                "Tell what became of a prediction",
                "SeldonMessage",
                requestBody={"required": True, "content": _json_content("Feedback", {"feedback": feedback})},
            )
        },
        "/metadata": {"get": operation("graphMetadata", "What the graph takes and gives", "GraphMetadata")},
        "/metadata/{unit}": {
            "get": operation("unitMetadata", "What a unit takes and gives", "ModelMetadata", parameters=[unit])
        },
        "/status": {"get": operation("status", "Whether all units are well")},
        "/health/status": {"get": operation("health", "Whether all units are well")},
        "/status/{unit}": {
            "get": operation("unitStatus", "What a unit says of its health", "SeldonMessage", parameters=[unit])
        },
    }


async def _examples(served: Served) -> dict[str, Json]:
    return prediction_examples((await served.running.metadata()).inputs)


def _prediction_body(examples: Mapping[str, Json]) -> Json:
    first = orjson.dumps(next(iter(examples.values()))).decode()
    form = {"type": "object", "properties": {"json": {"type": "string", "examples": [first]}}, "required": ["json"]}
    parts = {
        "type": "object",
        "description": "One part a field of SeldonMessage: JSON, but strData and binData as they are.",
        "properties": {"data": {"type": "string"}, "strData": {"type": "string"}, "binData": {}, "jsonData": {}},
    }
    return {
        "required": True,
        "content": {
            **_json_content("SeldonMessage", examples),
            "application/x-www-form-urlencoded": {"schema": form},
            "multipart/form-data": {"schema": parts},
            "application/octet-stream": {"schema": {"description": "The message's binData, raw."}},
            "text/plain": {"schema": {"type": "string", "description": "The message's strData."}},
        },
    }


def _json_content(schema: str, examples: Mapping[str, Json]) -> Json:
    return {
        "application/json": {
            "schema": {"$ref": f"#/components/schemas/{schema}"},
            "examples": {name: {"value": value} for name, value in examples.items()},
        }
    }


def _success(schema: str) -> Json:
    success: Json = {
        "description": "It went well.",
        "headers": {"Seldon-Puid": {"$ref": "#/components/headers/Puid"}},
    }
    if schema:
        success["content"] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return success


def _server_paths() -> Iterator[tuple[str, Json]]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    for path, name, summary, content in (
        ("/ready", "ready", "Whether the server takes requests", {}),
        ("/live", "live", "Whether the server lives", {}),
        ("/ping", "ping", "pong", text),
        ("/health/status", "serverHealth", "As /ready", {}),
        ("/metrics", "metrics", "Metrics in Prometheus' text form", text),
        ("/prometheus", "prometheus", "As /metrics", text),
    ):
        success: Json = {"description": "It does.", **({"content": content} if content else {})}
        refused = {"503": {"description": "It does not."}} if name in ("ready", "serverHealth") else {}
        responses = {"200": success, **refused}
        yield path, {"get": {"operationId": name, "summary": summary, "tags": ["server"], "responses": responses}}


def _components(types: OwnTypes | None) -> Json:
    own = {} if types is None else openapi_classifier.schemas(types)
    puid = {
        "description": "The id of the prediction. One that comes with the request is kept.",
        "schema": {"type": "string"},
    }
    return {
        "schemas": orjson.loads(_static("schemas.json")) | own,
        "securitySchemes": SECURITY_SCHEMES,
        "parameters": {"Puid": {"name": "Seldon-Puid", "in": "header", "required": False, **puid}},
        "headers": {"Puid": puid},
        "responses": {
            "Error": {
                "description": "What was wrong: the place, the rule and the value.",
                "headers": {"Seldon-Puid": {"$ref": "#/components/headers/Puid"}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            }
        },
    }
