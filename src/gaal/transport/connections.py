"""Which HTTP/1.1 clients have closed their connection while their request was being answered.

An ASGI server should say so with `http.disconnect`. One that does not read on from an HTTP/1.1 connection before it
has answered cannot know, but the kernel does: it is asked here about the server's own sockets, by the client's address.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Iterator
from math import inf
from time import monotonic
from typing import TypeAlias

Peer: TypeAlias = tuple[str, int]

HUNG_UP: int = getattr(select, "POLLRDHUP", select.POLLHUP)


class Connections:
    """Watches connections from `watch` to `forget`.

    Who is not known yet is looked for among all open files, but not within `pause_s` after the last time.
    """

    def __init__(self, pause_s: float = 0.02) -> None:
        self._pause_s = pause_s
        self._looked_at = -inf
        self._poll = select.poll()
        self._watched: dict[int, socket.socket] = {}
        self._descriptors: dict[Peer, int] = {}

    def watch(self, peer: Peer) -> int | None:
        """Begin to watch the connection of this client, and give its key; None if this process has no such one."""
        connection = self._known(peer)
        if connection is None and monotonic() >= self._looked_at + self._pause_s:
            self._descriptors = dict(_open_connections())
            self._looked_at = monotonic()
            connection = self._known(peer)
        if connection is None:
            return None
        key = connection.fileno()
        self._watched[key] = connection
        self._poll.register(key, HUNG_UP)
        return key

    def forget(self, key: int) -> None:
        self._poll.unregister(key)
        self._watched.pop(key).close()

    def closed(self) -> list[int]:
        """The keys of those that their client has closed."""
        return [key for key, events in self._poll.poll(0) if events]

    def _known(self, peer: Peer) -> socket.socket | None:
        """The connection by the descriptor that it was last seen at, which may have become another one's since.

        It is a duplicate, so that its number cannot become another one's as long as it is watched.
        """
        descriptor = self._descriptors.get(peer)
        if descriptor is None or _peer_of(descriptor) != peer:
            return None
        try:
            connection = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            return None
        if _peer_of(connection.fileno()) == peer:
            return connection
        connection.close()
        return None


def _open_connections() -> Iterator[tuple[Peer, int]]:
    """The connections of this process: 4 µs for each open file."""
    for name in os.listdir("/dev/fd"):
        peer = _peer_of(int(name))
        if peer is not None:
            yield peer, int(name)


def _peer_of(descriptor: int) -> Peer | None:
    """The address at the other end of a TCP connection; None if it is none."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        borrowed = socket.socket(fileno=descriptor)
    except OSError:
        return None
    try:
        if borrowed.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        host, port = borrowed.getpeername()[:2]
        return host, port
    except OSError:
        return None
    finally:
        borrowed.detach()
