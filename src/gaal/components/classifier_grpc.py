"""A Classifier microservice behind gRPC: `Classifier/Predict`, or `Seldon/Classify` as it was called later."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import grpc

from gaal.components.classifier_unit import ClassifierUnit
from gaal.components.microservice_addresses import NOBODY, MicroserviceAddress
from gaal.components.remote_channel import UNIMPLEMENTED, GrpcCalls, Method
from gaal.components.remote_place import Place
from gaal.errors import ComponentError, RemoteStatus
from gaal.executor.context import Context
from gaal.messages import Message
from gaal.protocols import classifier

logger = logging.getLogger("gaal.components")

TIMEOUT_S = 5.0
"""For each call, where nothing else is said. Source: Seldon Server's deadline towards microservices."""

_UNFORESEEN = (grpc.StatusCode.UNKNOWN.value[0], grpc.StatusCode.INTERNAL.value[0])
"""The codes of a handler that raised: the text may be anything, and stays here."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A channel to the addresses that there were when it was opened."""

    target: str
    calls: GrpcCalls
    methods: tuple[Method, ...]


class ClassifierGrpcUnit(ClassifierUnit):
    """The microservice at `address`. When its processes change, so does the channel; calls under way end first."""

    def __init__(
        self,
        unit: str,
        address: MicroserviceAddress,
        *,
        max_reply_bytes: int = -1,
        timeout_s: float = TIMEOUT_S,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        super().__init__(unit)
        self._address = address
        self._max_reply_bytes = max_reply_bytes
        self._timeout_s = timeout_s
        self._credentials = credentials
        self._place = Place(unit, f"grpc://{address.authority}")
        self._line: _Line | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._spoken = 0
        """The index of the method that the far side has."""

    async def start(self) -> None:
        """Open the channel. Nobody need be there yet."""
        if self._address.grpc_target is not None:
            await self._line_now()

    async def close(self) -> None:
        if self._line is not None:
            await self._line.calls.close()
        await asyncio.gather(*self._closing)

    async def reachable(self) -> None:
        await (await self._line_now()).calls.reachable()

    async def predict(self, message: Message, context: Context, /) -> Message:
        request = classifier.encode_request_proto(message, puid=context.puid)
        line = await self._line_now()
        body = await self._asked(line, request, context)
        with self._place.wrong_replies():
            reply = classifier.decode_reply_proto(body)
        reply.encoding = context.encoding  # a unit elsewhere changes nothing for those that come after it
        return reply

    async def _asked(self, line: _Line, request: bytes, context: Context) -> bytes:
        """The reply of the method that the far side has. Which one that is, is found out once."""
        puid = context.puid
        metadata = [("seldon-puid", puid)] if puid.isascii() and puid.isprintable() else []
        for index in (self._spoken, 1 - self._spoken):
            try:
                body, _ = await line.calls.answer(line.methods[index], request, metadata)
            except RemoteStatus as error:
                if error.grpc_code != UNIMPLEMENTED:
                    raise self._refused(error) from None
            else:
                self._spoken = index
                return body
        raise self._place.wrong_reply(f"has neither {' nor '.join(classifier.METHODS)}")

    async def _line_now(self) -> _Line:
        """The channel to the addresses that there are now. Raises Unavailable."""
        target = self._address.grpc_target
        if target is None:
            raise self._place.unavailable(NOBODY)
        if self._line is None or self._line.target != target:
            calls = GrpcCalls(self._place, target, self._timeout_s, self._max_reply_bytes, self._credentials)
            await calls.start()
            self._retire(self._line)
            self._line = _Line(target, calls, tuple(calls.method(path) for path in classifier.METHODS))
        return self._line

    def _retire(self, line: _Line | None) -> None:
        if line is not None:
            task = asyncio.get_running_loop().create_task(line.calls.close(self._timeout_s))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _refused(self, error: RemoteStatus) -> ComponentError:
        """What the caller is told: the far side's own code and text, but not the text of what nobody foresaw."""
        if error.grpc_code not in _UNFORESEEN:
            return error
        logger.warning('unit "%s": %s', self._unit, error.what)
        return ComponentError(self._unit, self._place.described("the microservice failed"))
