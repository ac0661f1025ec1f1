"""What comes in on a streaming call, while its method may be busy with something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType

from gaal.errors import GaalError
from gaal.transport.bodies import Disconnected
from gaal.transport.grpc_wire import messages
from gaal.transport.types import Receive

READ_AHEAD = 16
"""Messages that wait for the method. With more than that the client waits, by HTTP/2's flow control."""


class Incoming:
    """The messages of a call, as an async context: a reader runs inside of it.

    When the client hangs up, the task that is inside is cancelled, whatever it waits for, and Disconnected comes out.
    """

    def __init__(self, receive: Receive, encoding: bytes | None, max_bytes: int) -> None:
        self._receive = receive
        self._messages = messages(receive, encoding, max_bytes)
        self._queue: asyncio.Queue[bytes | GaalError | None] = asyncio.Queue(READ_AHEAD)
        self._hung_up = False

    async def __aenter__(self) -> AsyncIterator[bytes]:
        self._reader = asyncio.create_task(self._read(asyncio.current_task()))
        return self._taken()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.cancel()
        if self._hung_up:
            raise Disconnected

    async def _taken(self) -> AsyncIterator[bytes]:
        """Raises MessageError."""
        while (message := await self._queue.get()) is not None:
            if isinstance(message, GaalError):
                raise message
            yield message

    async def _read(self, call: asyncio.Task[None] | None) -> None:
        try:
            async for message in self._messages:
                await self._queue.put(message)
            await self._queue.put(None)
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except GaalError as error:
            await self._queue.put(error)
        except Disconnected:
            self._hang_up(call)
        else:
            self._hang_up(call)

    def _hang_up(self, call: asyncio.Task[None] | None) -> None:
        self._hung_up = True
        if call is not None:
            call.cancel()
