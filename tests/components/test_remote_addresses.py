"""The addresses behind a host name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from gaal.components import remote_addresses
from gaal.components.remote_addresses import Addresses, resolve


class Name:
    """A name whose addresses the test decides; each look-up is told in `looked_up`."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.looked_up: asyncio.Queue[int] = asyncio.Queue()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.looked_up.put_nowait(1)
        if not self.addresses:
            raise socket.gaierror(-2, "Name or service not known")
        return list(self.addresses)


async def test_addresses_take_turns() -> None:
    addresses = Addresses("name", 1, Name("a", "b", "c"))
    turns = [await addresses.next() for _ in range(6)]
    assert turns[:3] == turns[3:]
    assert {*turns} == {"a", "b", "c"}


async def test_an_address_that_failed_rests_while_there_are_others() -> None:
    addresses = Addresses("name", 1, Name("a", "b"))
    addresses.failed("a")
    assert {await addresses.next() for _ in range(4)} == {"b"}
    addresses.failed("b")
    assert {await addresses.next() for _ in range(4)} == {"a", "b"}


async def test_an_address_that_failed_comes_back_after_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_addresses, "REST_S", 0.0)
    addresses = Addresses("name", 1, Name("a", "b"))
    addresses.failed("a")
    assert {await addresses.next() for _ in range(4)} == {"a", "b"}


async def test_a_name_is_looked_up_once_as_long_as_it_is_fresh() -> None:
    name = Name("a")
    addresses = Addresses("name", 1, name)
    for _ in range(3):
        await addresses.next()
    assert name.looked_up.qsize() == 1


async def test_a_name_that_is_not_fresh_is_looked_up_beside_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_addresses, "FRESH_S", -1.0)
    name = Name("a")
    addresses = Addresses("name", 1, name)
    await addresses.next()
    await name.looked_up.get()
    name.addresses = ["b"]
    assert await addresses.next() == "a"
    await name.looked_up.get()
    assert await addresses.next() == "b"
    await addresses.close()


async def test_a_look_up_that_fails_leaves_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_addresses, "FRESH_S", -1.0)
    name = Name("a")
    addresses = Addresses("name", 1, name)
    await addresses.next()
    await name.looked_up.get()
    name.addresses = []
    for _ in range(3):
        assert await addresses.next() == "a"
        await name.looked_up.get()
    await addresses.close()


async def test_when_all_are_tried_the_name_is_looked_up_again() -> None:
    name = Name("a")
    addresses = Addresses("name", 1, name)
    assert await addresses.next() == "a"
    name.addresses = ["a", "b"]
    assert await addresses.next(["a"]) == "b"
    assert await addresses.next(["a", "b"]) is None


async def test_a_name_that_nobody_knows_raises() -> None:
    with pytest.raises(OSError, match="not known"):
        await Addresses("name", 1, Name()).next()


async def test_the_systems_own_look_up_knows_localhost_and_numbers() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80)
    assert await resolve("127.0.0.9", 80) == ["127.0.0.9"]
