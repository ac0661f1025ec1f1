"""The calls over gRPC: the service `seldon.protos.Seldon`, and `grpc.health.v1` for readiness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from gaal.client import errors
from gaal.client.address import Address
from gaal.client.calls import NO_HEADERS, Call, Request, Response, decoded, puid_header, reply_of, retry_after_s
from gaal.client.replies import Reply
from gaal.errors import MessageError
from gaal.messages import Feedback, GraphMetadata, Message, ModelMetadata
from gaal.protocols import seldon_proto
from gaal.protocols.descriptors import message_class

T = TypeVar("T")

_CODES: Mapping[int, tuple[str, type[errors.CallFailed]]] = {
    1: ("CANCELLED", errors.Unavailable),
    2: ("UNKNOWN", errors.ServerFailed),
    3: ("INVALID_ARGUMENT", errors.RequestRefused),
    4: ("DEADLINE_EXCEEDED", errors.DeadlineExceeded),
    5: ("NOT_FOUND", errors.NotFound),
    6: ("ALREADY_EXISTS", errors.RequestRefused),
    7: ("PERMISSION_DENIED", errors.PermissionDenied),
    8: ("RESOURCE_EXHAUSTED", errors.Overloaded),
    9: ("FAILED_PRECONDITION", errors.RequestRefused),
    10: ("ABORTED", errors.RequestRefused),
    11: ("OUT_OF_RANGE", errors.RequestRefused),
    12: ("UNIMPLEMENTED", errors.RequestRefused),
    13: ("INTERNAL", errors.ServerFailed),
    14: ("UNAVAILABLE", errors.Unavailable),
    15: ("DATA_LOSS", errors.ServerFailed),
    16: ("UNAUTHENTICATED", errors.Unauthenticated),
}
"""Source: grpc.io, "Status codes and their use in gRPC". Seldon Core's own servers say UNKNOWN for every error."""

_SERVING = 1


class GrpcCalls:
    """`headers` go with every call as metadata, beside the two keys that name the deployment."""

    def __init__(self, address: Address, headers: Mapping[str, str]) -> None:
        self._address = address
        named = {"seldon": address.deployment, "namespace": address.namespace}
        self._headers = {**{key: name for key, name in named.items() if name}, **headers}

    def predict(self, message: Message, is_repeatable: bool) -> Call[Reply]:
        request = self._request("Predict", seldon_proto.encode_message(message), puid_header(message))
        return self._message_call(request, message, is_repeatable)

    def send_feedback(self, feedback: Feedback) -> Call[Reply]:
        request = self._request("SendFeedback", seldon_proto.encode_feedback(feedback))
        return self._message_call(request, None, is_repeatable=False)

    def explain(self, message: Message, predictor: str, is_repeatable: bool) -> Call[Any]:
        raise MessageError("explain: explainers answer over REST only")

    def graph_metadata(self) -> Call[GraphMetadata]:
        return self._call(self._request("GraphMetadata", b""), seldon_proto.decode_graph_metadata)

    def model_metadata(self, unit: str) -> Call[ModelMetadata]:
        request = self._request("ModelMetadata", seldon_proto.encode_model_metadata_request(unit))
        return self._call(request, seldon_proto.decode_model_metadata)

    def health(self, unit: str) -> Call[Reply]:
        raise MessageError("health: the health of a unit is told over REST only")

    def ready(self) -> Call[bool]:
        return self._call(Request("/grpc.health.v1.Health/Check", b"", self._headers), _is_serving)

    def _request(self, method: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Request:
        return Request(f"/seldon.protos.Seldon/{method}", body, {**self._headers, **headers})

    def _place(self, request: Request) -> str:
        return f"gRPC {self._address.authority}{request.path}"

    def _message_call(self, request: Request, sent: Message | None, is_repeatable: bool) -> Call[Reply]:
        place = self._place(request)

        def read(response: Response) -> Reply:
            _check(place, response)
            return reply_of(place, response, seldon_proto.decode_message, sent)

        return Call(request, read, is_repeatable)

    def _call(self, request: Request, decode: Callable[[bytes], T]) -> Call[T]:
        place = self._place(request)

        def read(response: Response) -> T:
            _check(place, response)
            return decoded(place, response.body, decode)

        return Call(request, read, is_repeatable=True)


def _check(place: str, response: Response) -> None:
    """Raises CallFailed for every code but OK."""
    if response.status == 0:
        return
    code, failed = _CODES.get(response.status, (str(response.status), errors.ServerFailed))
    info = response.text or "no reason given"
    raise failed(place, info, grpc_code=code, retry_after_s=retry_after_s(response.headers))


def _is_serving(body: bytes) -> bool:
    health: Any = message_class("grpc.health.v1.HealthCheckResponse")
    try:
        return bool(health.FromString(body).status == _SERVING)
    except DecodeError as error:
        raise MessageError(f"malformed protobuf, must be a grpc.health.v1.HealthCheckResponse: {error}") from None
