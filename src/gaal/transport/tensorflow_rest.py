"""TensorFlow Serving's REST API, and KServe's V1, below `/v1/models`: one set of paths for both.

A reply has what the clients of either look for. Errors are `{"error": text}` in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gaal.errors import NotFound
from gaal.executor.context import Context
from gaal.messages import Encoding, Message
from gaal.protocols.tensorflow_serving import rest, signatures
from gaal.transport.deployments import Served
from gaal.transport.error_forms import plain_error_reply
from gaal.transport.models import Model, Models, predict
from gaal.transport.rest import Endpoint, Handler, Reply, Request, json_reply

READ, WRITE = ("GET", "OPTIONS"), ("POST", "OPTIONS")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a path names: a model, one of its versions or any, and the deployment that it stands below."""

    known: Served | None
    name: str = ""
    version: str = ""


class TensorFlowRest:
    """The endpoints over all models that are served."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def find(self, path: str, known: Served | None) -> Endpoint | None:
        """What stands at a path of this protocol; None for the path of another."""
        if path == "/":
            return _endpoint(READ, self.alive, "status", is_open=True)
        if not path.startswith("/v1/models"):
            return None
        if path in ("/v1/models", "/v1/models/"):
            return _endpoint(READ, self.list_models, "metadata")
        whole, colon, verb = path.rpartition(":")
        parts = (whole if colon else path).removeprefix("/v1/models").strip("/").split("/")
        asked = _asked(parts, known, is_verb=bool(colon))
        if asked is None:
            return _nothing_at(path)
        if colon:
            return self._verb(verb, asked, path)
        if parts[-1] == "metadata" and len(parts) % 2 == 0:
            return _endpoint(READ, partial(self.metadata, asked), "metadata")
        return _endpoint(READ, partial(self.status, asked), "status")

    def _verb(self, verb: str, asked: _Asked, path: str) -> Endpoint:
        match verb:
            case "predict":
                return _endpoint(WRITE, partial(self.predict, asked), "predictions")
            case "classify":
                return _endpoint(WRITE, partial(self.classify, asked), "predictions")
            case "regress":
                return _endpoint(WRITE, partial(self.regress, asked), "predictions")
        return _nothing_at(path)

    async def alive(self, request: Request) -> Reply:
        """By this, KServe's clients of V1 know that a server lives."""
        return json_reply({"status": "alive"})

    async def list_models(self, request: Request) -> Reply:
        return json_reply({"models": [model.name for model in self._models.seen_by(request.caller)]})

    async def predict(self, asked: _Asked, request: Request) -> Reply:
        model = self._found(asked, request)
        message, by_rows = rest.decode_request(request.body)
        return Reply(rest.encode_reply(await _predicted(model, asked, message, request), by_rows))

    async def classify(self, asked: _Asked, request: Request) -> Reply:
        model = self._found(asked, request)
        message = rest.decode_examples(request.body)
        return Reply(rest.encode_classes(await _predicted(model, asked, message, request)))

    async def regress(self, asked: _Asked, request: Request) -> Reply:
        model = self._found(asked, request)
        message = rest.decode_examples(request.body)
        return Reply(rest.encode_values(await _predicted(model, asked, message, request)))

    async def status(self, asked: _Asked, request: Request) -> Reply:
        model = self._found(asked, request, writes=False)
        states = await model.states(model.named_version(asked.version), _context(request))
        is_ready = not any(states.values())
        told = {"name": model.name, "ready": is_ready, **signatures.status_object(states)}
        return json_reply(told)._replace(status=200 if is_ready else 503)

    async def metadata(self, asked: _Asked, request: Request) -> Reply:
        model = self._found(asked, request, writes=False)
        version = model.named_version(asked.version)
        number = model.number_of(model.predictor(version) if version else model.predictors()[0])
        return json_reply(signatures.metadata_object(await model.metadata(version), number))

    def _found(self, asked: _Asked, request: Request, writes: bool = True) -> Model:
        """Raises NotFound and PermissionDenied."""
        model = self._models.served_for(request.caller, asked.name, request.headers, asked.known, writes=writes)
        request.observers = model.served.default_observers
        return model


async def _predicted(model: Model, asked: _Asked, message: Message, request: Request) -> Message:
    predictor = model.predictor(model.named_version(asked.version))
    request.observers = model.served.observers[predictor.predictor.name]
    return await predict(model.served, predictor, message, _context(request), model.served.rest_timeout_s)


def _asked(parts: Sequence[str], known: Served | None, is_verb: bool) -> _Asked | None:
    """What the parts of a path behind `/v1/models` name. Without a name only a verb has a meaning."""
    match [*parts]:
        case [""] if is_verb:
            return _Asked(known)
        case [name] | [name, "metadata"] if name:
            return _Asked(known, name)
        case [name, "versions" | "labels", version] | [name, "versions" | "labels", version, "metadata"] if name:
            return _Asked(known, name, version)
    return None


def _endpoint(methods: tuple[str, ...], handle: Handler, service: str, is_open: bool = False) -> Endpoint:
    return Endpoint(methods, handle, service, is_open=is_open, refuse=plain_error_reply)


def _nothing_at(path: str) -> Endpoint:
    async def refuse(request: Request) -> Reply:
        raise NotFound(
            f"there is nothing at {path}: a model has :predict, :classify, :regress, its status and /metadata"
        )

    return Endpoint((), refuse, refuse=plain_error_reply)


def _context(request: Request) -> Context:
    return Context(request.puid, Encoding.JSON, request.headers)
