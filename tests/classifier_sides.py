"""Classifier microservices of all sorts, on real sockets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from far_sides import Call

from gaal.protocols.descriptors import message_class

PREDICT, CLASSIFY = "/io.seldon.api.rpc.Classifier/Predict", "/io.seldon.api.rpc.Seldon/Classify"
FLOATS = "io.seldon.api.rpc.DefaultCustomPredictRequest"


def floats_in(request: bytes) -> list[float]:
    """The features of a ClassificationRequest with the default type."""
    parsed: Any = message_class("io.seldon.api.rpc.ClassificationRequest").FromString(request)
    values: Any = message_class(FLOATS)()
    assert parsed.data.Unpack(values)
    return list(values.values)


def request_of(values: Sequence[float], puid: str = "") -> bytes:
    request: Any = message_class("io.seldon.api.rpc.ClassificationRequest")()
    request.meta.puid = puid
    request.data.Pack(message_class(FLOATS)(values=values))
    return bytes(request.SerializeToString())


def reply_of(values: Sequence[float], model_name: str = "far", names: Sequence[str] = ()) -> bytes:
    reply: Any = message_class("io.seldon.api.rpc.ClassificationReply")()
    reply.meta.modelName = model_name
    for index, value in enumerate(values):
        name = names[index] if names else str(index)
        reply.predictions.add(prediction=value, predictedClass=name, confidence=value)
    return bytes(reply.SerializeToString())


def reply_in(reply: bytes) -> Any:
    return message_class("io.seldon.api.rpc.ClassificationReply").FromString(reply)


def rpc_model(model_name: str = "far", plus: float = 0.0) -> Call:
    """Answers the floats that it gets, plus a number."""

    async def predict(request: bytes, call: Any) -> bytes:
        return reply_of([value + plus for value in floats_in(request)], model_name)

    return predict


class RestModel:
    """A microservice as an ASGI app: answers the list in `data`, as strings; keeps the fields it was asked with."""

    def __init__(self, model_name: str = "far") -> None:
        self.model_name = model_name
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        fields = {
            name: values[0] for name, values in parse_qs(f"{scope['query_string'].decode()}&{body.decode()}").items()
        }
        request = json.loads(fields["json"])
        self.asked.append((scope["method"], fields.get("client", ""), request))
        data = request["data"]
        values = list(data.values()) if isinstance(data, dict) else data
        predictions = [
            {"prediction": str(value), "predictedClass": f"class-{index}", "confidence": str(value)}
            for index, value in enumerate(values)
        ]
        reply = json.dumps({"predictions": predictions, "meta": {"modelName": self.model_name}}).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply, "more_body": False})
