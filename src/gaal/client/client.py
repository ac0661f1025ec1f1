"""`Client` for blocking code, `AsyncClient` for asyncio. What they do is decided once, in `_Asking`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, Literal, Self, TypeAlias, TypeVar, cast

from gaal.client.address import address_of
from gaal.client.attempts import Attempts, Retries, Wait, attempts
from gaal.client.calls import AsyncTransport, Call, Calls, Transport
from gaal.client.credentials import Credentials
from gaal.client.errors import CallFailed, Unavailable
from gaal.client.grpc_calls import GrpcCalls
from gaal.client.payloads import Data, PayloadKind, is_array, message_of
from gaal.client.replies import Reply
from gaal.client.rest_calls import RestCalls
from gaal.client.settings import Settings, Tls, headers_of
from gaal.errors import SettingsError, Violation
from gaal.messages import Feedback, GraphMetadata, Json, Message, Meta, ModelMetadata

T = TypeVar("T")
File: TypeAlias = str | PathLike[str] | None


class _Asking:
    """The settings of a client, and the calls it makes. Makes no connection of its own."""

    def __init__(
        self,
        url: str,
        *,
        transport: Literal["rest", "grpc"] = "rest",
        deployment: str = "",
        namespace: str = "",
        token: str = "",
        key: str = "",
        secret: str = "",
        token_header: str = "Authorization",
        headers: Mapping[str, str] | None = None,
        kind: PayloadKind | None = None,
        timeout_s: float | None = 60.0,
        max_reply_bytes: int = 64 * 1024 * 1024,
        n_retries: int = 2,
        retry_predictions: bool = False,
        tls_ca: File = None,
        tls_cert: File = None,
        tls_key: File = None,
    ) -> None:
        """`url` is that of the server, or of a deployment behind a gateway: `http://host:port[/seldon/<ns>/<dep>]`.

        `kind` is how arrays are sent, unless a call says otherwise; without it as tensor, or ndarray where they are
        not of numbers. `timeout_s` is for a whole call with its retries; None for no limit. A token goes as a bearer
        token in `Authorization`, or alone in another `token_header`, such as `X-Auth-Token`. With a `key` and its
        `secret` the client fetches a token at the server's `/oauth/token` and renews it by itself.

        Up to `n_retries` times a call is repeated that cannot have reached the server, or that it turned away with
        `Retry-After`; a question about health or metadata also after a broken connection. A prediction that may have
        been made is repeated only with `retry_predictions`, feedback never.

        The files are PEM: the authorities to trust instead of the system's, and the client's certificate and key.

        Raises SettingsError.
        """
        if token and (key or secret):
            raise SettingsError([Violation("token", "must not be given where key and secret are")])
        self._settings = Settings(
            address=address_of(url, deployment, namespace),
            transport=transport,
            headers=headers_of(headers or {}, token, token_header),
            tls=Tls(_path(tls_ca), _path(tls_cert), _path(tls_key)),
            timeout_s=timeout_s,
            max_reply_bytes=max_reply_bytes,
            n_retries=n_retries,
            retry_predictions=retry_predictions,
        )
        self._credentials: Credentials | None = None
        if key or secret:
            self._credentials = Credentials(self._settings.address, key, secret, token_header)
        self._kind = kind
        self._opening = Lock()
        self._retries = Retries(n_retries, Random())
        make_calls: type[RestCalls | GrpcCalls] = RestCalls if transport == "rest" else GrpcCalls
        self._calls: Calls = make_calls(self._settings.address, self._settings.headers)

    def _predict(
        self,
        data: Data,
        names: Sequence[str],
        kind: PayloadKind | None,
        tags: Mapping[str, Json] | None,
        puid: str,
    ) -> Call[Reply]:
        message = message_of(data, names, kind or self._default_kind(data), tags, puid)
        return self._calls.predict(message, self._settings.retry_predictions)

    def _explain(self, data: Data, names: Sequence[str], kind: PayloadKind | None, predictor: str) -> Call[Any]:
        message = message_of(data, names, kind or self._default_kind(data))
        return self._calls.explain(message, predictor, self._settings.retry_predictions)

    def _feedback(
        self,
        reply: Reply | Message | None,
        reward: float,
        truth: Data | None,
        request: Data | None,
        routing: Mapping[str, int] | None,
        puid: str,
    ) -> Call[Reply]:
        asked = reply.request if isinstance(reply, Reply) and request is None else self._message(request)
        answered = reply.message if isinstance(reply, Reply) else reply
        if routing or puid:
            meta = answered.meta if answered else Meta()
            meta = Meta(puid or meta.puid, meta.tags, routing or meta.routing, meta.request_path, meta.metrics)
            answered = Message(answered.payload if answered else None, meta)
        return self._calls.send_feedback(Feedback(asked, answered, reward, self._message(truth)))

    def _message(self, data: Data | None) -> Message | None:
        return None if data is None else message_of(data, kind=self._default_kind(data))

    def _default_kind(self, data: Data) -> PayloadKind | None:
        return self._kind if is_array(data) else None

    def _attempts(self, call: Call[T], timeout_s: float | None) -> Attempts[T]:
        return attempts(call, self._retries, self._settings.timeout_s if timeout_s is None else timeout_s)


class Client(_Asking):
    """Asks a server, over REST or gRPC. Safe for many threads; keeps its connections until it is closed.

    Every call takes `timeout_s` in the place of the client's. It raises MessageError for what cannot be sent, and
    CallFailed, by one of its subclasses, for what came of it.
    """

    _transport: Transport | None = None

    def predict(
        self,
        data: Data,
        *,
        names: Sequence[str] = (),
        kind: PayloadKind | None = None,
        tags: Mapping[str, Json] | None = None,
        puid: str = "",
        timeout_s: float | None = None,
    ) -> Reply:
        """The prediction for an array, a data frame, a list, text, bytes, a JSON object or a whole Message."""
        return self._run(self._predict(data, names, kind, tags, puid), timeout_s)

    def feedback(
        self,
        reply: Reply | Message | None = None,
        *,
        reward: float = 0.0,
        truth: Data | None = None,
        request: Data | None = None,
        routing: Mapping[str, int] | None = None,
        puid: str = "",
        timeout_s: float | None = None,
    ) -> Reply:
        """Tell what became of a prediction: of its reply, or of what `request`, `routing` and `puid` say of it."""
        return self._run(self._feedback(reply, reward, truth, request, routing, puid), timeout_s)

    def explain(
        self,
        data: Data,
        *,
        predictor: str = "",
        names: Sequence[str] = (),
        kind: PayloadKind | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """The explanation, as the JSON of the explainer. That of a deployment belongs to one predictor. REST only."""
        return self._run(self._explain(data, names, kind, predictor), timeout_s)

    def metadata(self, *, timeout_s: float | None = None) -> GraphMetadata:
        """The metadata of the graph and of its models."""
        return self._run(self._calls.graph_metadata(), timeout_s)

    def model_metadata(self, unit: str, *, timeout_s: float | None = None) -> ModelMetadata:
        """The metadata of the model at one unit of the graph."""
        return self._run(self._calls.model_metadata(unit), timeout_s)

    def health(self, unit: str, *, timeout_s: float | None = None) -> Reply:
        """What the component of a unit says about its health. REST only."""
        return self._run(self._calls.health(unit), timeout_s)

    def ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether predictions are answered now: False where the server says no, or nobody answers in time."""
        try:
            return self._run(self._calls.ready(), timeout_s)
        except Unavailable:
            return False

    def close(self) -> None:
        """Close all connections. The next call would open new ones."""
        with self._opening:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _run(self, call: Call[T], timeout_s: float | None) -> T:
        transport = self._opened()
        steps = self._attempts(call, timeout_s)
        step = next(steps)
        while True:
            try:
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = transport.send(step.request, step.timeout_s)
                except CallFailed as failed:
                    step = steps.throw(failed)
                else:
                    step = steps.send(response)
            except StopIteration as ended:
                return cast("T", ended.value)

    def _opened(self) -> Transport:
        with self._opening:
            if self._transport is None:
                self._transport = self._open()
            return self._transport

    def _open(self) -> Transport:
        if self._credentials is None:
            return self._open_calls()
        from gaal.client.http_transport import HttpTransport
        from gaal.client.keyed_transport import KeyedTransport

        return KeyedTransport(self._open_calls(), HttpTransport(self._settings), self._credentials)

    def _open_calls(self) -> Transport:
        if self._settings.transport == "rest":
            from gaal.client.http_transport import HttpTransport

            return HttpTransport(self._settings)
        from gaal.client.grpc_transport import GrpcTransport

        return GrpcTransport(self._settings)


class AsyncClient(_Asking):
    """As Client, for the tasks of one event loop. A call that is cancelled is cancelled at the server too."""

    _transport: AsyncTransport | None = None

    async def predict(
        self,
        data: Data,
        *,
        names: Sequence[str] = (),
        kind: PayloadKind | None = None,
        tags: Mapping[str, Json] | None = None,
        puid: str = "",
        timeout_s: float | None = None,
    ) -> Reply:
        """The prediction for an array, a data frame, a list, text, bytes, a JSON object or a whole Message."""
        return await self._run(self._predict(data, names, kind, tags, puid), timeout_s)

    async def feedback(
        self,
        reply: Reply | Message | None = None,
        *,
        reward: float = 0.0,
        truth: Data | None = None,
        request: Data | None = None,
        routing: Mapping[str, int] | None = None,
        puid: str = "",
        timeout_s: float | None = None,
    ) -> Reply:
        """Tell what became of a prediction: of its reply, or of what `request`, `routing` and `puid` say of it."""
        return await self._run(self._feedback(reply, reward, truth, request, routing, puid), timeout_s)

    async def explain(
        self,
        data: Data,
        *,
        predictor: str = "",
        names: Sequence[str] = (),
        kind: PayloadKind | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """The explanation, as the JSON of the explainer. That of a deployment belongs to one predictor. REST only."""
        return await self._run(self._explain(data, names, kind, predictor), timeout_s)

    async def metadata(self, *, timeout_s: float | None = None) -> GraphMetadata:
        """The metadata of the graph and of its models."""
        return await self._run(self._calls.graph_metadata(), timeout_s)

    async def model_metadata(self, unit: str, *, timeout_s: float | None = None) -> ModelMetadata:
        """The metadata of the model at one unit of the graph."""
        return await self._run(self._calls.model_metadata(unit), timeout_s)

    async def health(self, unit: str, *, timeout_s: float | None = None) -> Reply:
        """What the component of a unit says about its health. REST only."""
        return await self._run(self._calls.health(unit), timeout_s)

    async def ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether predictions are answered now: False where the server says no, or nobody answers in time."""
        try:
            return await self._run(self._calls.ready(), timeout_s)
        except Unavailable:
            return False

    async def close(self) -> None:
        """Close all connections. The next call would open new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _run(self, call: Call[T], timeout_s: float | None) -> T:
        transport = self._opened()
        steps = self._attempts(call, timeout_s)
        step = next(steps)
        while True:
            try:
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                    step = next(steps)
                    continue
                try:
                    response = await transport.send(step.request, step.timeout_s)
                except CallFailed as failed:
                    step = steps.throw(failed)
                else:
                    step = steps.send(response)
            except StopIteration as ended:
                return cast("T", ended.value)

    def _opened(self) -> AsyncTransport:
        """Made by the first call, in the event loop that it belongs to."""
        if self._transport is None:
            self._transport = self._open()
        return self._transport

    def _open(self) -> AsyncTransport:
        if self._credentials is None:
            return self._open_calls()
        from gaal.client.http_transport import AsyncHttpTransport
        from gaal.client.keyed_transport import AsyncKeyedTransport

        return AsyncKeyedTransport(self._open_calls(), AsyncHttpTransport(self._settings), self._credentials)

    def _open_calls(self) -> AsyncTransport:
        if self._settings.transport == "rest":
            from gaal.client.http_transport import AsyncHttpTransport

            return AsyncHttpTransport(self._settings)
        from gaal.client.grpc_transport import AsyncGrpcTransport

        return AsyncGrpcTransport(self._settings)


def _path(file: File) -> Path | None:
    return None if file is None else Path(file)
