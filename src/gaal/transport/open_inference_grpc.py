"""The service `inference.GRPCInferenceService`: the Open Inference Protocol V2 over gRPC, on every deployment.

A model of a stream is asked once for each message, in their order. An error on the way is the reply to its own message
and ends nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from time import perf_counter
from typing import Any

from gaal.errors import GaalError
from gaal.executor.context import Context
from gaal.executor.puid import new_puid
from gaal.messages import Encoding
from gaal.protocols.descriptors import message_class
from gaal.protocols.open_inference import metadata, protobuf
from gaal.protocols.open_inference.inference import Inference, message_of, reply_of
from gaal.transport.errors import described, grpc_code, grpc_text
from gaal.transport.grpc import Call, Method, StreamingMethod, UnaryMethod
from gaal.transport.models import Model, Models, predict, version_of
from gaal.transport.open_inference_repository import repository_index
from gaal.transport.open_inference_rest import server_metadata

SERVICE = "inference.GRPCInferenceService"
STREAM = f"/{SERVICE}/ModelStreamInfer"

WANTS_FINAL, IS_FINAL = "triton_enable_empty_final_response", "triton_final_response"
"""Triton's way to say which reply of a stream is the last one to its request: here, every one."""


class OpenInferenceService:
    """The methods of the service, over all models that are served."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def methods(self) -> dict[str, Method]:
        methods: dict[str, Method] = {
            "ServerLive": UnaryMethod(self.server_live, is_open=True),
            "ServerReady": UnaryMethod(self.server_ready, is_open=True),
            "ServerMetadata": UnaryMethod(self.server_metadata, reads=True),
            "ModelReady": UnaryMethod(self.model_ready, reads=True),
            "ModelMetadata": UnaryMethod(self.model_metadata, reads=True),
            "ModelInfer": UnaryMethod(self.model_infer),
            "ModelStreamInfer": StreamingMethod(self.model_stream_infer),
            "RepositoryIndex": UnaryMethod(self.repository_index, reads=True),
            "RepositoryModelLoad": UnaryMethod(self.load),
            "RepositoryModelUnload": UnaryMethod(self.unload),
        }
        return {f"/{SERVICE}/{name}": method for name, method in methods.items()}

    async def server_live(self, request: bytes, call: Call) -> bytes:
        return _serialized("ServerLiveResponse", live=True)

    async def server_ready(self, request: bytes, call: Call) -> bytes:
        return _serialized("ServerReadyResponse", ready=await _succeeds(self._models.readiness.check(call.context)))

    async def server_metadata(self, request: bytes, call: Call) -> bytes:
        return _serialized("ServerMetadataResponse", **server_metadata())

    async def model_ready(self, request: bytes, call: Call) -> bytes:
        wanted = protobuf.parsed("ModelReadyRequest", request)
        model = self._found(wanted.name, call, writes=False)
        model.predictor(wanted.version)  # one that is not there is an error, not a model that is not ready
        ready = await _succeeds(model.check_ready(wanted.version, call.context))
        return _serialized("ModelReadyResponse", ready=ready)

    async def model_metadata(self, request: bytes, call: Call) -> bytes:
        wanted = protobuf.parsed("ModelMetadataRequest", request)
        model = self._found(wanted.name, call, writes=False)
        return metadata.encode_metadata(await model.metadata(wanted.version))

    async def model_infer(self, request: bytes, call: Call) -> bytes:
        wanted = protobuf.decode_request(request)
        model = self._found(wanted.model_name, call)
        return protobuf.encode_reply(await self._inferred(model, wanted, call, call.context))

    async def _inferred(self, model: Model, wanted: Inference, call: Call, context: Context) -> Inference:
        served = model.served
        predictor = model.predictor(wanted.model_version)
        call.observers = served.observers[predictor.predictor.name]
        message = message_of(wanted, Encoding.PROTO)
        given = await predict(served, predictor, message, context, served.grpc_timeout_s)
        return reply_of(given, wanted, model.name, version_of(predictor))

    async def model_stream_infer(self, requests: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        is_first = True
        async for request in requests:
            # Each request is a prediction of its own; the id of the call is that of the first one.
            puid = call.context.puid if is_first else new_puid()
            is_first = False
            yield await self._streamed(request, call, Context(puid, Encoding.PROTO, call.headers))

    async def _streamed(self, request: bytes, call: Call, context: Context) -> bytes:
        started = perf_counter()
        wanted, outcome = Inference(()), "OK"
        try:
            wanted = protobuf.decode_request(request)
            reply = await self._inferred(self._found(wanted.model_name, call), wanted, call, context)
            text = ""
        except Exception as error:
            known = described(error)
            outcome, text = grpc_code(known).name, grpc_text(known)
            reply = Inference((), wanted.model_name, wanted.model_version, wanted.id)
        if wanted.parameters.get(WANTS_FINAL) is True:
            reply.parameters = {**reply.parameters, IS_FINAL: True}
        if call.observers is not None:
            call.observers[STREAM, "stream", outcome](perf_counter() - started)
        return protobuf.encode_stream_reply(reply, text)

    async def repository_index(self, request: bytes, call: Call) -> bytes:
        wanted = protobuf.parsed("RepositoryIndexRequest", request)
        entries = await repository_index(self._models, call.caller, wanted.ready, call.context)
        return _serialized("RepositoryIndexResponse", models=entries)

    async def load(self, request: bytes, call: Call) -> bytes:
        name = protobuf.parsed("RepositoryModelLoadRequest", request).model_name
        await self._models.repository_of(call.caller).load(name)
        return _serialized("RepositoryModelLoadResponse")

    async def unload(self, request: bytes, call: Call) -> bytes:
        name = protobuf.parsed("RepositoryModelUnloadRequest", request).model_name
        await self._models.repository_of(call.caller).unload(name)
        return _serialized("RepositoryModelUnloadResponse")

    def _found(self, name: str, call: Call, writes: bool = True) -> Model:
        """Raises NotFound and PermissionDenied."""
        model = self._models.served_for(call.caller, name, call.headers, writes=writes)
        call.observers = model.served.default_observers
        return model


async def _succeeds(check: Any) -> bool:
    try:
        await check
    except GaalError:
        return False
    return True


def _serialized(name: str, /, **fields: Any) -> bytes:
    make: Callable[..., Any] = message_class(f"inference.{name}")
    return bytes(make(**fields).SerializeToString())
