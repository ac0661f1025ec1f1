"""A deadline for a whole exchange of blocking code.

httpcore limits each step, connecting, reading and writing; a server that sends a byte a second would never end.
Only to look up a name may take longer: the system's resolver cannot be interrupted.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic
from typing import Any

import httpcore


class _OfThread(threading.local):
    """When the exchange of this thread must be over, on the monotonic clock."""

    at = inf

    def left_s(self, timeout_s: float | None, late: type[httpcore.TimeoutException]) -> float | None:
        """The limit for one step. Raises `late` if there is no time left."""
        if self.at == inf:
            return timeout_s
        left_s = self.at - monotonic()
        if left_s <= 0:
            raise late
        return left_s


_MINE = _OfThread()


@contextmanager
def deadline(timeout_s: float | None) -> Iterator[None]:
    _MINE.at = inf if timeout_s is None else monotonic() + timeout_s
    try:
        yield
    finally:
        _MINE.at = inf


class DeadlineBackend(httpcore.NetworkBackend):
    """Sockets whose every step ends at the deadline of the thread at the latest."""

    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left_s = _MINE.left_s(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._sockets.connect_tcp(host, port, left_s, local_address, socket_options))


class _DeadlineStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _MINE.left_s(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _MINE.left_s(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = _MINE.left_s(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left_s))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
