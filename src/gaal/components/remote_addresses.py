"""The addresses behind a name, which take turns."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from time import monotonic
from typing import Protocol, TypeAlias

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to IP addresses, without doubles. Raises OSError."""

FRESH_S = 10.0
"""How long a look-up counts. After that the next one is made beside the calls, which go on with what is known."""

REST_S = 1.0
"""How long an address that failed is passed over while there are others."""


class Turns(Protocol):
    """Addresses that take turns."""

    @property
    def nobody(self) -> str:
        """What to say where there are none."""

    async def next(self, tried: Collection[str] = ()) -> str | None:
        """The address whose turn it is among those not tried; None if all are. Raises OSError for an unknown name."""

    def authority(self, address: str) -> str:
        """The address with its port, as it stands in a URL."""

    def failed(self, address: str) -> None:
        """Nothing was to be reached there: others come first for a while."""

    async def close(self) -> None: ...


async def resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Addresses:
    """One host name, looked up when it is first needed, then again when that is long ago or an address failed.

    A host that is an address itself is never looked up.
    """

    nobody = "no address"

    def __init__(self, host: str, port: int, resolve: Resolve = resolve) -> None:
        self._host = host
        self._port = port
        self._resolve = resolve
        self._is_name = not _is_number(host)
        self._known: Sequence[str] = () if self._is_name else (host,)
        self._fresh_until = 0.0
        self._rotation = Rotation()
        self._looking_up: asyncio.Task[None] | None = None

    async def next(self, tried: Collection[str] = ()) -> str | None:
        """The address whose turn it is among those not tried; None if all are. Raises OSError for an unknown name."""
        if self._is_name:
            if not self._known or (tried and all(address in tried for address in self._known)):
                await asyncio.shield(self._look_up())
            elif monotonic() > self._fresh_until:
                self._look_up()
        return self._rotation.next([address for address in self._known if address not in tried])

    def failed(self, address: str) -> None:
        """Nothing was to be reached there: others come first for a while, and the name is looked up again."""
        self._rotation.rest(address)
        self._fresh_until = 0.0

    def authority(self, address: str) -> str:
        return f"{bracketed(address)}:{self._port}"

    async def close(self) -> None:
        if self._looking_up is not None:
            self._looking_up.cancel()
            await asyncio.gather(self._looking_up, return_exceptions=True)

    def _look_up(self) -> asyncio.Task[None]:
        """The look-up that is under way, or a new one. What was known counts until it succeeds."""
        if self._looking_up is None or self._looking_up.done():
            self._looking_up = asyncio.get_running_loop().create_task(self._looked_up())
            self._looking_up.add_done_callback(_taken_note_of)
        return self._looking_up

    async def _looked_up(self) -> None:
        self._fresh_until = monotonic() + FRESH_S
        self._known = await self._resolve(self._host, self._port)


class Rotation:
    """Whose turn it is. One that failed is passed over for a while, as long as there are others."""

    def __init__(self) -> None:
        self._turn = 0
        self._resting: dict[str, float] = {}

    def next(self, addresses: Sequence[str]) -> str | None:
        if self._resting:
            now = monotonic()
            self._resting = {address: until for address, until in self._resting.items() if until > now}
            addresses = [address for address in addresses if address not in self._resting] or addresses
        if not addresses:
            return None
        self._turn += 1
        return addresses[self._turn % len(addresses)]

    def rest(self, address: str) -> None:
        self._resting[address] = monotonic() + REST_S


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def host_of(authority: str) -> str:
    return authority.rpartition(":")[0].strip("[]")


def _taken_note_of(look_up: asyncio.Task[None]) -> None:
    """A look-up that nobody waited for may fail: the addresses that were known go on to count."""
    if not look_up.cancelled():
        look_up.exception()


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
