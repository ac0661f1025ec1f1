"""Stubs and servicers of the Classifier API. The service has two names: as documented, and as released.

`Classifier/Predict` and `Seldon/Classify` take and give the same messages. A server should have both.
"""

from __future__ import annotations

from typing import Any, NoReturn

from seldon.rpc.messages import PACKAGE, ClassificationReply, ClassificationRequest

CLASSIFIER = f"{PACKAGE}.Classifier"
SELDON = f"{PACKAGE}.Seldon"


class ClassifierStub:
    """Calls `Classifier/Predict`: `stub.Predict(request, timeout_s, metadata=…)`."""

    def __init__(self, channel: Any) -> None:
        self.Predict = _call(channel, f"/{CLASSIFIER}/Predict")


class SeldonStub:
    """Calls `Seldon/Classify`: `stub.Classify(request, timeout_s, metadata=…)`."""

    def __init__(self, channel: Any) -> None:
        self.Classify = _call(channel, f"/{SELDON}/Classify")


class ClassifierServicer:
    """A base for what answers `Classifier/Predict`."""

    def Predict(self, request: Any, context: Any) -> Any:
        """A ClassificationReply to a ClassificationRequest."""
        _unimplemented(context)


class SeldonServicer:
    """A base for what answers `Seldon/Classify`."""

    def Classify(self, request: Any, context: Any) -> Any:
        """A ClassificationReply to a ClassificationRequest."""
        _unimplemented(context)


def add_ClassifierServicer_to_server(servicer: Any, server: Any) -> None:
    _add(server, CLASSIFIER, "Predict", servicer.Predict)


def add_SeldonServicer_to_server(servicer: Any, server: Any) -> None:
    _add(server, SELDON, "Classify", servicer.Classify)


def _call(channel: Any, path: str) -> Any:
    return channel.unary_unary(
        path,
        request_serializer=ClassificationRequest.SerializeToString,
        response_deserializer=ClassificationReply.FromString,
    )


def _add(server: Any, service: str, method: str, behaviour: Any) -> None:
    import grpc

    handler = grpc.unary_unary_rpc_method_handler(
        behaviour,
        request_deserializer=ClassificationRequest.FromString,
        response_serializer=ClassificationReply.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))


def _unimplemented(context: Any) -> NoReturn:
    import grpc

    context.set_code(grpc.StatusCode.UNIMPLEMENTED)
    context.set_details("Method not implemented!")
    raise NotImplementedError("Method not implemented!")
