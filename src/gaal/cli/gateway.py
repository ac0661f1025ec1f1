"""The gateway of a worker: who may call, in which types, and what answers them, all as the store says.

The store is opened at the start if something demands it, or if it is there. Else the worker looks for it now and then,
so that whoever makes the first client need not start the server anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING

from gaal.cli.microservice_units import maker
from gaal.errors import StoreError
from gaal.executor.events import Listener
from gaal.gateway.accounts import Accounts, Verifier
from gaal.gateway.issuer import TokenIssuer
from gaal.gateway.limits import SharedLimits
from gaal.gateway.microservice_book import MicroserviceBook
from gaal.gateway.registrations import RegisteredTypes
from gaal.gateway.strategies import Strategies
from gaal.settings import ServeSettings
from gaal.storage.location import exists, locate
from gaal.transport.classifying import finder
from gaal.transport.deployments import Deployments

if TYPE_CHECKING:
    from gaal.storage.store import Store

logger = logging.getLogger("gaal")

LOOK_S = 0.1
"""How often a server without a store looks for one."""

RETRY_S = 1.0
TIDY_S = 600.0


class Gateway:
    """`async with gateway:` keeps it in touch with the store. All calls belong to the event loop."""

    def __init__(
        self, settings: ServeSettings, deployments: Deployments, listener: Listener, limits: SharedLimits | None = None
    ) -> None:
        """Raises SettingsError for a database or an issuer that cannot be."""
        self._settings = settings
        self._location = locate(settings.database, settings.data_dir, os.environ)
        self._book = MicroserviceBook()
        self._stack = AsyncExitStack()
        self.accounts = Accounts(limits, _verifier(settings))
        self.types = RegisteredTypes()
        self.issuer = TokenIssuer(self.accounts, settings.token_lifetime_s)
        make = maker(self._book, listener, settings.max_message_bytes)
        self.strategies = Strategies(make, finder(deployments), Random())

    async def __aenter__(self) -> Gateway:
        """Raises StoreError if the store is demanded and cannot be opened."""
        self._stack.push_async_callback(self.strategies.close)
        try:
            if self._settings.demands_store:
                await self._open()
            else:
                self._run(self._open_when_there())
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _open_when_there(self) -> None:
        while True:
            if not exists(self._location):
                await asyncio.sleep(LOOK_S)
                continue
            try:
                return await self._open()
            except StoreError as error:
                logger.warning("%s; clients are not known until it can", error)
                await asyncio.sleep(RETRY_S)

    async def _open(self) -> None:
        """Opens the store and follows it. Raises StoreError; then it can be tried again."""
        from gaal.microservices.keeper import Keeper
        from gaal.storage.changes import ChangeFeed
        from gaal.storage.store import open_store

        async with AsyncExitStack() as opened:
            store = await asyncio.to_thread(open_store, self._location)
            opened.callback(store.close)
            feed = ChangeFeed(store)
            opened.push_async_callback(feed.close)
            await feed.start()
            for each in (self.accounts, self.types, self._book, self.strategies):
                await each.attach(store, feed)
            keeper = Keeper(store, feed, self._location.data_dir, self._settings.app_dir)
            opened.push_async_callback(keeper.close)
            await keeper.start()
            self._stack.push_async_callback(opened.pop_all().aclose)
        self._run(_tidy(store))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        """Beside everything else, until the gateway is closed."""
        task = asyncio.get_running_loop().create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.wait((task,))

        self._stack.push_async_callback(end)


def _verifier(settings: ServeSettings) -> Verifier | None:
    if not (settings.jwt_issuer and settings.jwt_audience and settings.jwks_url):
        return None
    from gaal.gateway.jwt_tokens import IssuerTokens

    return IssuerTokens(settings.jwt_issuer, settings.jwt_audience, settings.jwks_url)


async def _tidy(store: Store) -> None:
    """Drops tokens that have expired, again and again."""
    while True:
        try:
            await store.write(store.tokens.remove_expired, time.time())
        except StoreError as error:
            logger.warning("expired tokens stay in the store for now: %s", error)
        await asyncio.sleep(TIDY_S)
