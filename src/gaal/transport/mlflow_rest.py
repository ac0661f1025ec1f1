"""MLflow's scoring server: `/invocations`, for the deployment that is alone, or that the path or a header names.

Its `/ping` is the server's own.
"""

from __future__ import annotations

from functools import partial

from gaal.errors import GaalError, UnsupportedMedia
from gaal.executor.context import Context
from gaal.messages import Encoding, Message
from gaal.protocols import mlflow
from gaal.transport.bodies import media_type_of
from gaal.transport.deployments import Served
from gaal.transport.error_forms import status_and_text
from gaal.transport.models import Models, predict
from gaal.transport.rest import Endpoint, Reply, Request, json_reply

PATH = "/invocations"

_ERROR_CODES = {
    400: "BAD_REQUEST",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "ENDPOINT_NOT_FOUND",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's own names. What it has none for is BAD_REQUEST or INTERNAL_ERROR."""


class MlflowRest:
    """The endpoint over all models that are served."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def find(self, path: str, known: Served | None) -> Endpoint | None:
        """What stands at the path of this protocol; None for the path of another."""
        if path != PATH:
            return None
        return Endpoint(("POST", "OPTIONS"), partial(self.invoke, known), "predictions", refuse=_refuse)

    async def invoke(self, known: Served | None, request: Request) -> Reply:
        served = self._models.served_for(request.caller, "", request.headers, known).served
        request.observers = served.default_observers
        message = _decoded(request)
        predictor = served.running.choose()
        request.observers = served.observers[predictor.predictor.name]
        context = Context(request.puid, Encoding.JSON, request.headers)
        return Reply(mlflow.encode_reply(await predict(served, predictor, message, context, served.rest_timeout_s)))


def _decoded(request: Request) -> Message:
    media_type = media_type_of(request.content_type)
    if media_type in (b"text/csv", b"application/csv"):
        return mlflow.decode_csv(request.body)
    if media_type in (b"", b"application/json") or media_type.endswith(b"+json"):
        return mlflow.decode_json(request.body)
    named = media_type.decode("latin-1")
    raise UnsupportedMedia(f"Content-Type: must be application/json or text/csv, got {named!r}")


def _refuse(error: GaalError) -> Reply:
    status, text = status_and_text(error)
    code = _ERROR_CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
    return json_reply(mlflow.error_object(code, text))._replace(status=status)
