"""What the kernel tells about the clients of this process."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from gaal.transport.connections import Connections, Peer


class Pair:
    """A connection of this process with itself."""

    def __init__(self, listener: socket.socket) -> None:
        self.client = socket.create_connection(listener.getsockname()[:2])
        self.served, _ = listener.accept()
        host, port = self.client.getsockname()[:2]
        self.peer: Peer = (host, port)

    def close(self) -> None:
        self.client.close()
        self.served.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        made = socket.create_server((request.param, 0), family=family)
    except OSError as error:
        pytest.skip(f"no {request.param} here: {error}")
    with made:
        yield made


def test_a_connection_that_its_client_closes_is_told(listener: socket.socket) -> None:
    connections = Connections(pause_s=0)
    first, second = Pair(listener), Pair(listener)
    keys = [connections.watch(each.peer) for each in (first, second)]
    assert None not in keys
    assert connections.closed() == []
    second.client.close()
    assert connections.closed() == [keys[1]]
    for key in keys:
        assert key is not None
        connections.forget(key)
    assert connections.closed() == []
    first.close()
    second.close()


def test_forgetting_a_connection_leaves_it_open(listener: socket.socket) -> None:
    connections = Connections(pause_s=0)
    pair = Pair(listener)
    key = connections.watch(pair.peer)
    assert key is not None
    connections.forget(key)
    pair.served.sendall(b"still there")
    assert pair.client.recv(100) == b"still there"
    pair.close()


def test_a_descriptor_that_became_another_connections_is_not_taken_for_the_old_one(listener: socket.socket) -> None:
    connections = Connections(pause_s=0)
    gone = Pair(listener)
    key = connections.watch(gone.peer)
    assert key is not None
    connections.forget(key)
    gone.close()
    other = Pair(listener)
    assert connections.watch(gone.peer) is None
    key = connections.watch(other.peer)
    assert key is not None
    connections.forget(key)
    other.close()


def test_a_client_of_another_process_is_not_known() -> None:
    assert Connections().watch(("192.0.2.1", 4711)) is None


def test_the_open_files_are_not_gone_through_for_each_unknown_client(listener: socket.socket) -> None:
    connections = Connections(pause_s=60)
    assert connections.watch(("192.0.2.1", 4711)) is None
    pair = Pair(listener)
    assert connections.watch(pair.peer) is None
    pair.close()
