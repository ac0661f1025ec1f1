"""`tensorflow.serving.PredictionService` and `ModelService`: TensorFlow Serving over gRPC, on every deployment."""

from __future__ import annotations

from gaal.protocols.tensorflow_serving import protobuf, signatures
from gaal.protocols.tensorflow_serving.protobuf import ModelSpec
from gaal.transport.grpc import Call, Method, UnaryMethod
from gaal.transport.models import Model, Models, predict

PREDICTIONS = "tensorflow.serving.PredictionService"
MODELS = "tensorflow.serving.ModelService"


class TensorFlowServices:
    """The methods of both services, over all models that are served."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def methods(self) -> dict[str, Method]:
        return {
            f"/{PREDICTIONS}/Predict": UnaryMethod(self.predict),
            f"/{PREDICTIONS}/GetModelMetadata": UnaryMethod(self.model_metadata, reads=True),
            f"/{MODELS}/GetModelStatus": UnaryMethod(self.model_status, reads=True),
        }

    async def predict(self, request: bytes, call: Call) -> bytes:
        message, spec, asked = protobuf.decode_request(request)
        model = self._found(spec, call)
        predictor = model.predictor(model.named_version(spec.version))
        call.observers = model.served.observers[predictor.predictor.name]
        reply = await predict(model.served, predictor, message, call.context, model.served.grpc_timeout_s)
        return protobuf.encode_reply(reply, asked, model.name, model.number_of(predictor), spec.signature)

    async def model_metadata(self, request: bytes, call: Call) -> bytes:
        wanted = protobuf.parsed("GetModelMetadataRequest", request)
        signatures.check_fields(wanted.metadata_field)
        spec = protobuf.spec_of(wanted)
        model = self._found(spec, call, writes=False)
        version = model.named_version(spec.version)
        number = model.number_of(model.predictor(version) if version else model.predictors()[0])
        return signatures.encode_metadata(await model.metadata(version), number)

    async def model_status(self, request: bytes, call: Call) -> bytes:
        spec = protobuf.spec_of(protobuf.parsed("GetModelStatusRequest", request))
        model = self._found(spec, call, writes=False)
        return signatures.encode_status(await model.states(model.named_version(spec.version), call.context))

    def _found(self, spec: ModelSpec, call: Call, writes: bool = True) -> Model:
        """Raises NotFound and PermissionDenied."""
        model = self._models.served_for(call.caller, spec.name, call.headers, writes=writes)
        call.observers = model.served.default_observers
        return model
