"""Predictions over gRPC: handlers, which make features of a request, and the servicer that asks the model."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError

from gaal.errors import MessageError
from seldon.microservice.model import Prediction, ServedModel
from seldon.rpc.seldon_pb2 import (
    ClassificationReply,
    ClassificationReplyMeta,
    ClassificationResult,
    ClassifierServicer,
    DefaultCustomPredictRequest,
    SeldonServicer,
)

__all__ = ["CustomDataHandler", "DefaultCustomDataHandler", "RpcClassifier"]

logger = logging.getLogger("seldon.microservice")

INVALID_DATA = "Invalid data"
PREDICTION_FAILED = "Prediction failed"


class CustomDataHandler:
    """Makes of a request what the pipeline takes. A subclass says how.

    `getData` may take the gRPC context as a second argument: one that is called `context`, or that has no default. It
    is called by several threads at once. What it raises reaches the caller as INTERNAL and `Invalid data`, or as the
    code and details that it has set on the context. A MessageError of `gaal.errors` becomes INVALID_ARGUMENT with its
    text, and what protobuf raises for bytes that are no message INVALID_ARGUMENT with `Invalid data`.
    """

    def getData(self, request: Any) -> Any:
        """A DataFrame, or an array of shape (1, n), of `request.data`, which is a google.protobuf.Any."""
        raise NotImplementedError(f"{type(self).__name__} needs a method getData(self, request)")


class DefaultCustomDataHandler(CustomDataHandler):
    """Takes a DefaultCustomPredictRequest, a list of numbers."""

    def getData(self, request: Any) -> Any:
        payload = DefaultCustomPredictRequest()
        if not request.data.Unpack(payload):
            wanted, got = payload.DESCRIPTOR.full_name, request.data.TypeName()[:200] or "nothing"
            raise MessageError(f"data: a message of type {wanted} is needed, got {got}")
        return np.array([payload.values], dtype=float)


class RpcClassifier(ClassifierServicer, SeldonServicer):
    """Answers both names of the service, `Classifier/Predict` and `Seldon/Classify`."""

    def __init__(self, pipeline: Any, model_name: str, custom_data_handler: CustomDataHandler) -> None:
        self._model = ServedModel(pipeline, model_name)
        self._features = _with_context(custom_data_handler.getData)

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        predictions = self._predictions(self._data(request, context), context)
        meta = ClassificationReplyMeta(modelName=self._model.name)
        return ClassificationReply(meta=meta, predictions=[_result(each) for each in predictions])

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self.Predict(request, context)

    def _data(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return self._features(request, context)
        except MessageError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except DecodeError:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, INVALID_DATA)
        except Exception as error:
            logger.error("model %r: the data handler failed", self._model.name, exc_info=error)
            context.abort(*_status_set_on(context))

    def _predictions(self, features: Any, context: grpc.ServicerContext) -> list[Prediction]:
        try:
            return self._model.predictions(features)
        except Exception as error:
            logger.error("model %r: the pipeline failed", self._model.name, exc_info=error)
            context.abort(grpc.StatusCode.INTERNAL, PREDICTION_FAILED)


def _with_context(get_data: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """The handler's method as one that takes request and context, decided once, from its signature."""
    parameters = list(inspect.signature(get_data).parameters.values())[1:]
    if any(_takes_context(each) for each in parameters):
        return get_data
    return lambda request, context: get_data(request)


def _takes_context(parameter: inspect.Parameter) -> bool:
    if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
        return False
    return parameter.name == "context" or parameter.default is parameter.empty


def _status_set_on(context: Any) -> tuple[grpc.StatusCode, str]:
    """The code and details that a handler has set before it raised, else INTERNAL and `Invalid data`."""
    code, details = context.code(), context.details() or INVALID_DATA
    if code in (None, grpc.StatusCode.OK):
        return grpc.StatusCode.INTERNAL, INVALID_DATA
    return code, details.decode() if isinstance(details, bytes) else details


def _result(prediction: Prediction) -> Any:
    return ClassificationResult(
        prediction=prediction.probability,
        predictedClass=prediction.predicted_class,
        confidence=prediction.probability,
    )
