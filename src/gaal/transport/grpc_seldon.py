"""The service `seldon.protos.Seldon`: the external prediction API over gRPC.

The metadata keys `seldon` and `namespace` name the deployment; one that is alone needs no name.
"""

from __future__ import annotations

from gaal.gateway.caller import ANONYMOUS
from gaal.protocols import seldon_proto
from gaal.transport.deployments import Deployments, Served
from gaal.transport.grpc import Call, Method, UnaryMethod
from gaal.transport.in_flight import within

SERVICE = "seldon.protos.Seldon"


class SeldonService:
    """The four methods of the service, over all deployments that are served."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments = deployments

    def methods(self) -> dict[str, Method]:
        return {
            f"/{SERVICE}/Predict": UnaryMethod(self.predict),
            f"/{SERVICE}/SendFeedback": UnaryMethod(self.send_feedback),
            f"/{SERVICE}/ModelMetadata": UnaryMethod(self.model_metadata, reads=True),
            f"/{SERVICE}/GraphMetadata": UnaryMethod(self.graph_metadata, reads=True),
        }

    async def predict(self, request: bytes, call: Call) -> bytes:
        served = self._served(call)
        message = seldon_proto.decode_message(request)
        running = served.running
        predictor = running.choose()
        call.observers = served.observers[predictor.predictor.name]
        work = running.predict(message, call.context, predictor)
        timeout_s = served.grpc_timeout_s
        reply = await work if timeout_s is None else await within(timeout_s, work, call.context)
        return seldon_proto.encode_message(reply)

    async def send_feedback(self, request: bytes, call: Call) -> bytes:
        served = self._served(call)
        work = served.running.send_feedback(seldon_proto.decode_feedback(request), call.context)
        timeout_s = served.grpc_timeout_s
        reply = await work if timeout_s is None else await within(timeout_s, work, call.context)
        return b"" if reply is None else seldon_proto.encode_message(reply)

    async def model_metadata(self, request: bytes, call: Call) -> bytes:
        name = seldon_proto.decode_model_metadata_request(request)
        metadata = await self._served(call, writes=False).running.unit_metadata(name)
        return seldon_proto.encode_model_metadata(metadata)

    async def graph_metadata(self, request: bytes, call: Call) -> bytes:
        return seldon_proto.encode_graph_metadata(await self._served(call, writes=False).running.metadata())

    def _served(self, call: Call, writes: bool = True) -> Served:
        """The deployment that the metadata names. Raises NotFound, and PermissionDenied if it may only be read."""
        name, namespace = call.headers.get(b"seldon"), call.headers.get(b"namespace")
        deployments = self._deployments if call.caller is ANONYMOUS else self._deployments.seen_by(call.caller)
        served = deployments.only
        if served is None or name is not None:
            served = deployments.find((namespace or b"").decode("latin-1"), (name or b"").decode("latin-1"))
        if call.caller is not ANONYMOUS:
            served.check_allowed(call.caller, writes)
        call.observers = served.default_observers
        return served
