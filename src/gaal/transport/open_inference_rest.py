"""The Open Inference Protocol V2 over REST: `/v2`, its health, its models and its repository.

An endpoint is made for each request, because its path names the model. Errors have V2's own form, `{"error": text}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gaal import __version__
from gaal.errors import GaalError, NotFound
from gaal.executor.context import Context
from gaal.messages import Encoding
from gaal.protocols.json_text import parse
from gaal.protocols.open_inference import metadata, rest
from gaal.protocols.open_inference.inference import message_of, reply_of
from gaal.transport.deployments import Served
from gaal.transport.error_forms import plain_error_reply
from gaal.transport.models import Model, Models, predict, version_of
from gaal.transport.open_inference_repository import repository_index
from gaal.transport.rest import Endpoint, Handler, Reply, Request, json_reply

SERVER = "gaal"
EXTENSIONS = ("binary_tensor_data", "model_repository", "parameters")
JSON_LENGTH = b"inference-header-content-length"

READ, WRITE = ("GET", "OPTIONS"), ("POST", "OPTIONS")


def server_metadata() -> dict[str, Any]:
    return {"name": SERVER, "version": __version__, "extensions": list(EXTENSIONS)}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a path names: a model, one of its versions or any, and the deployment that it stands below."""

    known: Served | None
    name: str = ""
    version: str = ""


class OpenInferenceRest:
    """The endpoints over all models that are served."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def find(self, path: str, known: Served | None) -> Endpoint | None:
        """What stands at a path of V2; None for the path of another protocol."""
        if not path.startswith("/v2"):
            return None
        match path.split("/")[2:]:
            case ["models", "infer"]:
                return self._of_model(["infer"], _Asked(known), path)
            case ["models", name, "versions", version, *operation]:
                return self._of_model(operation, _Asked(known, name, version), path)
            case ["models", name, *operation]:
                return self._of_model(operation, _Asked(known, name), path)
            case ["repository", *operation]:
                return self._of_repository(operation, path)
            case operation:
                return self._of_server(operation, path)

    def _of_server(self, operation: Sequence[str], path: str) -> Endpoint | None:
        match operation:
            case [] | [""]:
                return _endpoint(READ, self.server, "metadata") if path in ("/v2", "/v2/") else None
            case ["health", "live"]:
                return _endpoint(READ, self.live, "status", is_open=True)
            case ["health", "ready"]:
                return _endpoint(READ, self.ready, "status", is_open=True)
            case ["models"]:
                return _endpoint(READ, self.list_models, "metadata")
        return _nothing_at(path)

    def _of_model(self, operation: Sequence[str], asked: _Asked, path: str) -> Endpoint:
        match operation:
            case []:
                return _endpoint(READ, partial(self.model, asked), "metadata")
            case ["ready"]:
                return _endpoint(READ, partial(self.model_ready, asked), "status")
            case ["infer"]:
                return _endpoint(WRITE, partial(self.infer, asked), "predictions")
        return _nothing_at(path)

    def _of_repository(self, operation: Sequence[str], path: str) -> Endpoint:
        match operation:
            case ["index"]:
                return _endpoint(WRITE, self.index, "metadata")
            case ["models", name, "load" | "unload" as change]:
                return _endpoint(WRITE, partial(self.change, change, name), "metadata")
        return _nothing_at(path)

    async def server(self, request: Request) -> Reply:
        return json_reply(server_metadata())

    async def live(self, request: Request) -> Reply:
        return json_reply({"live": True})

    async def ready(self, request: Request) -> Reply:
        return await _ready_or_not(self._models.readiness.check(_context(request)), {"ready": True})

    async def list_models(self, request: Request) -> Reply:
        return json_reply({"models": [model.name for model in self._models.seen_by(request.caller)]})

    async def model(self, asked: _Asked, request: Request) -> Reply:
        found = self._found(asked, request)
        return json_reply(metadata.metadata_object(await found.metadata(asked.version)))

    async def model_ready(self, asked: _Asked, request: Request) -> Reply:
        found = self._found(asked, request)
        found.predictor(asked.version)  # one that is not there is an error, not a model that is not ready
        checking = found.check_ready(asked.version, _context(request))
        return await _ready_or_not(checking, {"name": found.name, "ready": True})

    async def infer(self, asked: _Asked, request: Request) -> Reply:
        found = self._found(asked, request, writes=True)
        served = found.served
        wanted = rest.decode_request(request.body, rest.json_length(request.headers.get(JSON_LENGTH)))
        predictor = found.predictor(asked.version)
        request.observers = served.observers[predictor.predictor.name]
        message = message_of(wanted, Encoding.JSON)
        given = await predict(served, predictor, message, _context(request), served.rest_timeout_s)
        reply = reply_of(given, wanted, found.name, version_of(predictor))
        body, json_bytes = rest.encode_reply(reply, wanted)
        if json_bytes is None:
            return Reply(body)
        return Reply(body, 200, b"application/octet-stream", [(JSON_LENGTH, b"%d" % json_bytes)])

    async def index(self, request: Request) -> Reply:
        wanted = parse(request.body) if request.body else {}
        only_ready = isinstance(wanted, dict) and wanted.get("ready") is True
        return json_reply(await repository_index(self._models, request.caller, only_ready, _context(request)))

    async def change(self, what: str, name: str, request: Request) -> Reply:
        repository = self._models.repository_of(request.caller)
        await (repository.load(name) if what == "load" else repository.unload(name))
        return json_reply({})

    def _found(self, asked: _Asked, request: Request, writes: bool = False) -> Model:
        """Raises NotFound and PermissionDenied."""
        found = self._models.served_for(request.caller, asked.name, request.headers, asked.known, writes=writes)
        request.observers = found.served.default_observers
        return found


def _endpoint(methods: tuple[str, ...], handle: Handler, service: str, is_open: bool = False) -> Endpoint:
    return Endpoint(methods, handle, service, is_open=is_open, refuse=plain_error_reply)


def _nothing_at(path: str) -> Endpoint:
    async def refuse(request: Request) -> Reply:
        raise NotFound(f"there is nothing at {path}: V2 has /v2, /v2/health, /v2/models and /v2/repository")

    return Endpoint((), refuse, refuse=plain_error_reply)


async def _ready_or_not(checking: Awaitable[None], ready: dict[str, Any]) -> Reply:
    """503 with the reason where the check fails."""
    try:
        await checking
    except GaalError as error:
        return plain_error_reply(error)._replace(status=503)
    return json_reply(ready)


def _context(request: Request) -> Context:
    return Context(request.puid, Encoding.JSON, request.headers)
