"""Transports that fetch a token for a key and its secret, and show it with every call.

They go around the ones that carry the calls: a token is fetched before the first call, renewed before it expires, and
once more when the server does not take it, after which the call is sent again; it cannot have been acted on.
"""

from __future__ import annotations

import asyncio
import time
from threading import Lock

from gaal.client.calls import AsyncTransport, Request, Response, Transport
from gaal.client.credentials import UNAUTHENTICATED, Credentials, Granted, with_token
from gaal.client.errors import CallFailed


class KeyedTransport:
    """For many threads at once, of which one fetches."""

    def __init__(self, calls: Transport, tokens: Transport, credentials: Credentials) -> None:
        self._calls = calls
        self._tokens = tokens
        self._credentials = credentials
        self._fetching = Lock()

    def send(self, request: Request, timeout_s: float | None) -> Response:
        left = _Left(timeout_s)
        granted = self._granted(left)
        response = self._calls.send(with_token(request, granted), left.seconds())
        if response.status in UNAUTHENTICATED:
            self._credentials.refused(granted)
            response = self._calls.send(with_token(request, self._granted(left)), left.seconds())
        return response

    def _granted(self, left: _Left) -> Granted:
        granted = self._credentials.current()
        if granted is not None:
            return granted
        with self._fetching:
            granted = self._credentials.current()  # another thread may have fetched it in the meantime
            if granted is not None:
                return granted
            try:
                return self._credentials.take(self._tokens.send(self._credentials.request, left.seconds()))
            except CallFailed as failed:
                return self._credentials.after_failure(failed)

    def close(self) -> None:
        self._calls.close()
        self._tokens.close()


class AsyncKeyedTransport:
    """For the tasks of one event loop, of which one fetches."""

    def __init__(self, calls: AsyncTransport, tokens: AsyncTransport, credentials: Credentials) -> None:
        self._calls = calls
        self._tokens = tokens
        self._credentials = credentials
        self._fetching = asyncio.Lock()

    async def send(self, request: Request, timeout_s: float | None) -> Response:
        left = _Left(timeout_s)
        granted = await self._granted(left)
        response = await self._calls.send(with_token(request, granted), left.seconds())
        if response.status in UNAUTHENTICATED:
            self._credentials.refused(granted)
            response = await self._calls.send(with_token(request, await self._granted(left)), left.seconds())
        return response

    async def _granted(self, left: _Left) -> Granted:
        granted = self._credentials.current()
        if granted is not None:
            return granted
        async with self._fetching:
            granted = self._credentials.current()
            if granted is not None:
                return granted
            try:
                return self._credentials.take(await self._tokens.send(self._credentials.request, left.seconds()))
            except CallFailed as failed:
                return self._credentials.after_failure(failed)

    async def close(self) -> None:
        await self._calls.close()
        await self._tokens.close()


class _Left:
    """What is left of the time for a whole call."""

    def __init__(self, timeout_s: float | None) -> None:
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s

    def seconds(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.001)
