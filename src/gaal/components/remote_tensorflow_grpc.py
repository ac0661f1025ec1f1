"""A unit at TensorFlow Serving, or a server that speaks as it does, called over gRPC."""

from __future__ import annotations

from typing import Any

from gaal.components.remote_grpc import GrpcUnit
from gaal.components.remote_headers import model_metadata
from gaal.components.remote_model import FarModel, ModelUnit, well
from gaal.executor.context import Context
from gaal.messages import Message, ModelMetadata
from gaal.protocols.tensorflow_serving import protobuf, signatures

PREDICTIONS = "/tensorflow.serving.PredictionService"
MODELS = "/tensorflow.serving.ModelService"


class TensorFlowGrpcUnit(ModelUnit, GrpcUnit):
    """The arguments beside the model are those of `GrpcUnit`."""

    def __init__(self, model: FarModel, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.model = model

    async def start(self) -> None:
        """Open the channel. Nobody need be there yet."""
        await super().start()
        self._model_predict = self._calls.method(f"{PREDICTIONS}/Predict")
        self._model_metadata = self._calls.method(f"{PREDICTIONS}/GetModelMetadata")
        self._status = self._calls.method(f"{MODELS}/GetModelStatus")

    async def _predicted(self, message: Message, context: Context) -> Message:
        model = self.model
        whole = protobuf.packed_request(message)
        request = protobuf.encode_request(message, self._spec(), model.input_name) if whole is None else whole
        body, _ = await self._calls.answer(self._model_predict, request, model_metadata(context))
        with self._place.wrong_replies():
            reply = protobuf.decode_reply(body, model.output_name) if whole is None else protobuf.packed_reply(body)
        reply.encoding = context.encoding
        return reply

    async def metadata(self) -> ModelMetadata:
        request = signatures.encode_metadata_request(self._spec())
        body, _ = await self._calls.answer(self._model_metadata, request)
        with self._place.wrong_replies():
            return signatures.decode_metadata(body)

    async def health(self, context: Context) -> Message:
        request = signatures.encode_status_request(self._spec())
        body, _ = await self._calls.answer(self._status, request, model_metadata(context))
        with self._place.wrong_replies():
            is_ready = signatures.decode_status(body)
        if not is_ready:
            raise self._place.unavailable(f"the server says that model {self.model.name} is not available")
        return well(context)

    def _spec(self) -> protobuf.ModelSpec:
        return protobuf.ModelSpec(self.model.name, self.model.version, self.model.signature)
