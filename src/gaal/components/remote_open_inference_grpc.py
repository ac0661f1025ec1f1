"""A unit at a server of the Open Inference Protocol V2, called over gRPC, with raw tensors."""

from __future__ import annotations

from typing import Any

from gaal.components.remote_grpc import GrpcUnit
from gaal.components.remote_headers import model_metadata
from gaal.components.remote_model import FarModel, ModelUnit, well
from gaal.executor.context import Context
from gaal.messages import Message, ModelMetadata
from gaal.protocols.open_inference import metadata, protobuf
from gaal.protocols.open_inference.inference import message_of, request_of

SERVICE = "/inference.GRPCInferenceService"


class OpenInferenceGrpcUnit(ModelUnit, GrpcUnit):
    """The arguments beside the model are those of `GrpcUnit`."""

    def __init__(self, model: FarModel, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.model = model

    async def start(self) -> None:
        """Open the channel. Nobody need be there yet."""
        await super().start()
        self._infer = self._calls.method(f"{SERVICE}/ModelInfer")
        self._model_metadata = self._calls.method(f"{SERVICE}/ModelMetadata")
        self._ready = self._calls.method(f"{SERVICE}/ModelReady")

    async def _predicted(self, message: Message, context: Context) -> Message:
        request = request_of(message, self.model.name, self.model.version, context.puid)
        body, _ = await self._calls.answer(self._infer, protobuf.encode_request(request), model_metadata(context))
        with self._place.wrong_replies():
            return message_of(protobuf.decode_reply(body), context.encoding)

    async def metadata(self) -> ModelMetadata:
        request = protobuf.encode_model("ModelMetadataRequest", self.model.name, self.model.version)
        body, _ = await self._calls.answer(self._model_metadata, request)
        with self._place.wrong_replies():
            return metadata.decode_metadata(body)

    async def health(self, context: Context) -> Message:
        request = protobuf.encode_model("ModelReadyRequest", self.model.name, self.model.version)
        body, _ = await self._calls.answer(self._ready, request, model_metadata(context))
        with self._place.wrong_replies():
            is_ready = protobuf.parsed("ModelReadyResponse", body).ready
        if not is_ready:
            raise self._place.unavailable(f"the server says that model {self.model.name} is not ready")
        return well(context)
