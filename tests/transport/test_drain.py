from __future__ import annotations

import asyncio
import socket

import pytest

from gaal.transport.drain import (
    LINGER_S,
    LastReplies,
    connections_closed,
    deaf_listener,
    has_connections,
    stop_accepting,
)
from gaal.transport.types import Event, Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b""})


async def nothing() -> Event:
    raise AssertionError("the app asks for nothing")


async def headers(replies: LastReplies, http_version: str) -> list[tuple[bytes, bytes]]:
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)

    await replies({"type": "http", "http_version": http_version}, nothing, send)
    found: list[tuple[bytes, bytes]] = sent[0]["headers"]
    return found


@pytest.mark.parametrize(
    ("http_version", "begun", "closes"), [("1.1", False, False), ("1.1", True, True), ("2", True, False)]
)
async def test_a_reply_ends_its_connection_once_the_drain_has_begun(
    http_version: str, begun: bool, closes: bool
) -> None:
    replies = LastReplies(app)
    if begun:
        replies.begin()
    assert await headers(replies, http_version) == [(b"a", b"b"), *([(b"connection", b"close")] * closes)]


def test_who_accepts_on_a_duplicate_finds_nothing_any_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, listening.dup() as duplicate:
        duplicate.setblocking(False)
        with socket.create_connection(listening.getsockname()):
            stop_accepting([listening])
            with pytest.raises(BlockingIOError):
                duplicate.accept()


def test_the_deaf_listener_listens() -> None:
    with deaf_listener() as deaf:
        assert deaf.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_a_listening_socket_is_no_connection_and_an_accepted_one_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ports = frozenset({listening.getsockname()[1]})
        assert not has_connections(ports)
        with socket.create_connection(listening.getsockname()), listening.accept()[0]:
            assert has_connections(ports)
        assert not has_connections(ports)


async def test_connections_are_waited_for_but_not_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ports = frozenset({listening.getsockname()[1]})
        with socket.create_connection(listening.getsockname()) as client:
            accepted = listening.accept()[0]
            waiting = asyncio.create_task(connections_closed(ports))
            accepted.close()
            async with asyncio.timeout(10):
                await waiting
            assert client.recv(1) == b""
        began = asyncio.get_running_loop().time()
        with socket.create_connection(listening.getsockname()), listening.accept()[0]:
            await connections_closed(ports)
        assert asyncio.get_running_loop().time() - began >= LINGER_S * 0.9
