"""Where a client's microservices are: what the store says of this machine, and as it is now."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from seldon_servers import until

from gaal.gateway.microservice_book import MicroserviceBook
from gaal.storage.changes import ChangeFeed
from gaal.storage.records import Client, Microservice, MicroserviceProcess
from gaal.storage.store import Store


@pytest.fixture
async def book(store: Store) -> AsyncIterator[MicroserviceBook]:
    for client in ("a", "b"):
        store.clients.add(Client(client))
    feed = ChangeFeed(store)
    await feed.start()
    found = MicroserviceBook()
    await found.attach(store, feed)
    yield found
    await feed.close()


async def test_a_name_that_is_no_microservice_of_the_client_is_a_host(book: MicroserviceBook, store: Store) -> None:
    store.microservices.put(Microservice("a", "iris", "iris:Model", "rpc"))
    await book.refresh()
    assert book.of("a", "iris") == ()
    assert book.of("b", "iris") is None
    assert book.of("a", "other") is None


async def test_only_the_processes_that_are_ready_on_this_machine_count(book: MicroserviceBook, store: Store) -> None:
    here = store.machine
    store.microservices.put(Microservice("a", "iris", "iris:Model", "rpc"))
    for process in (
        MicroserviceProcess(here, "a", "iris", 0, "ready", port=4001),
        MicroserviceProcess(here, "a", "iris", 1, "ready", port=4002),
        MicroserviceProcess(here, "a", "iris", 2, "starting", port=4003),
        MicroserviceProcess("elsewhere", "a", "iris", 0, "ready", port=4004),
    ):
        store.microservices.put_process(process)

    async def has_both() -> bool:
        return book.of("a", "iris") == ("127.0.0.1:4001", "127.0.0.1:4002")

    await until(has_both)
    store.microservices.remove_process(here, "a", "iris", 0)

    async def has_one() -> bool:
        return book.of("a", "iris") == ("127.0.0.1:4002",)

    await until(has_one)
