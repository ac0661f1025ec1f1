"""Whom a contract is tried on: a deployment by its external API, or a single component by its internal one."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self
from urllib.parse import quote_plus

from gaal.client import Client
from gaal.client.address import Address, address_of
from gaal.client.calls import Request, Response, Transport, reply_of
from gaal.client.errors import CallFailed
from gaal.client.settings import Settings, Tls
from gaal.errors import MessageError
from gaal.messages import Feedback, Message
from gaal.protocols import seldon_json, seldon_proto

_MAX_REPLY_BYTES = 64 * 1024 * 1024
_FORM = {"content-type": "application/x-www-form-urlencoded"}
_GRPC_METHODS = {
    "predict": "Model/Predict",
    "transform-input": "Generic/TransformInput",
    "send-feedback": "Generic/SendFeedback",
}


class Server(Protocol):
    """Each call raises CallFailed where no reply of the protocol comes back that says success."""

    def predict(self, message: Message) -> Message: ...

    def transform_input(self, message: Message) -> Message: ...

    def send_feedback(self, feedback: Feedback) -> Message: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...


class DeploymentServer:
    """A deployment, asked as any client asks it. `url` may name the deployment too. Raises SettingsError."""

    def __init__(
        self,
        url: str,
        *,
        grpc: bool = False,
        deployment: str = "",
        namespace: str = "",
        timeout_s: float = 60.0,
        token: str = "",
        key: str = "",
        secret: str = "",
    ) -> None:
        self._client = Client(
            url,
            transport="grpc" if grpc else "rest",
            deployment=deployment,
            namespace=namespace,
            timeout_s=timeout_s,
            max_reply_bytes=_MAX_REPLY_BYTES,
            token=token,
            key=key,
            secret=secret,
        )

    def predict(self, message: Message) -> Message:
        return self._client.predict(message).message

    def transform_input(self, message: Message) -> Message:
        raise MessageError("transform-input: only the internal API of a component has it, not the external one")

    def send_feedback(self, feedback: Feedback) -> Message:
        """Feedback to a prediction that is made first, so that it finds its way by the routing of the reply."""
        if feedback.request is None:
            raise MessageError("feedback: a request must be given")
        reply = self._client.predict(feedback.request)
        return self._client.feedback(reply, reward=feedback.reward, truth=feedback.truth).message

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()


class ComponentServer:
    """A component behind its microservice: REST by a form with the field `json`, or the internal gRPC services."""

    def __init__(self, url: str, *, grpc: bool = False, timeout_s: float = 60.0) -> None:
        """Raises SettingsError."""
        address = address_of(url)
        self._wire: _Wire = _Grpc(address) if grpc else _Form(address)
        self._transport = _transport(address, grpc, timeout_s)
        self._timeout_s = timeout_s

    def predict(self, message: Message) -> Message:
        return self._ask("predict", message)

    def transform_input(self, message: Message) -> Message:
        return self._ask("transform-input", message)

    def send_feedback(self, feedback: Feedback) -> Message:
        return self._ask("send-feedback", feedback)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._transport.close()

    def _ask(self, method: str, subject: Message | Feedback) -> Message:
        request = self._wire.request(method, subject)
        response = self._transport.send(request, self._timeout_s)
        place = self._wire.place(request)
        self._wire.check(place, response)
        return reply_of(place, response, self._wire.decode, None).message


def _transport(address: Address, grpc: bool, timeout_s: float) -> Transport:
    settings = Settings(
        address=address,
        transport="grpc" if grpc else "rest",
        headers={},
        tls=Tls(),
        timeout_s=timeout_s,
        max_reply_bytes=_MAX_REPLY_BYTES,
        n_retries=0,
        retry_predictions=False,
    )
    if grpc:
        from gaal.client.grpc_transport import GrpcTransport

        return GrpcTransport(settings)
    from gaal.client.http_transport import HttpTransport

    return HttpTransport(settings)


class _Wire(Protocol):
    """How the calls of a microservice look: `check` raises CallFailed for a response that is no success."""

    def request(self, method: str, subject: Message | Feedback) -> Request: ...

    def place(self, request: Request) -> str: ...

    def check(self, place: str, response: Response) -> None: ...

    def decode(self, body: bytes) -> Message: ...


class _Form:
    def __init__(self, address: Address) -> None:
        self._address = address

    def request(self, method: str, subject: Message | Feedback) -> Request:
        if isinstance(subject, Feedback):
            text = seldon_json.encode_feedback(subject)
        else:
            text = seldon_json.encode_message(subject)
        return Request(f"{self._address.base}/{method}", f"json={quote_plus(text)}".encode(), _FORM)

    def place(self, request: Request) -> str:
        return f"{request.method} {self._address.origin}{request.path}"

    def check(self, place: str, response: Response) -> None:
        if response.status != 200:
            raise CallFailed(place, _told(response), http_status=response.status)

    def decode(self, body: bytes) -> Message:
        return seldon_json.decode_message(body)


class _Grpc:
    def __init__(self, address: Address) -> None:
        self._address = address

    def request(self, method: str, subject: Message | Feedback) -> Request:
        if isinstance(subject, Feedback):
            body = seldon_proto.encode_feedback(subject)
        else:
            body = seldon_proto.encode_message(subject)
        return Request(f"/seldon.protos.{_GRPC_METHODS[method]}", body, {})

    def place(self, request: Request) -> str:
        return f"gRPC {self._address.authority}{request.path}"

    def check(self, place: str, response: Response) -> None:
        if response.status != 0:
            raise CallFailed(place, response.text or "no reason given", grpc_code=_code_name(response.status))

    def decode(self, body: bytes) -> Message:
        return seldon_proto.decode_message(body)


def _told(response: Response) -> str:
    """What a response that is no success says: its status in the protocol's form, otherwise the HTTP phrase."""
    try:
        status = seldon_json.decode_message(response.body).status
    except MessageError:
        status = None
    return (status.info if status else "") or response.text or "no reason given"


def _code_name(number: int) -> str:
    import grpc

    return next((code.name for code in grpc.StatusCode if code.value[0] == number), str(number))
