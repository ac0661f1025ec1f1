"""Where a microservice is: the processes of that name that this server runs just now, else the host of that name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gaal.components.remote_addresses import Addresses, Rotation, bracketed, host_of

FindProcesses: TypeAlias = Callable[[], Sequence[str] | None]
"""The addresses `127.0.0.1:port` of the processes that are ready now; None if no such microservice is run here."""

NOBODY = "no process of the microservice is ready"


def _no_processes() -> None:
    return None


@dataclass(frozen=True, slots=True)
class MicroserviceAddress:
    """A host and a port as a document names them, and the processes that stand for them where there are any."""

    host: str
    port: int
    processes: FindProcesses = _no_processes

    @property
    def authority(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def grpc_target(self) -> str | None:
        """The name that gRPC resolves to all the addresses there are now; None if there are none."""
        found = self.processes()
        if found is None:
            return self.authority
        return f"ipv4:{','.join(sorted(found))}" if found else None


class MicroserviceTurns:
    """The addresses of a microservice, which take turns and may be others for every call."""

    def __init__(self, address: MicroserviceAddress) -> None:
        self._processes = address.processes
        self._by_name = Addresses(address.host, address.port)
        self._rotation = Rotation()

    @property
    def nobody(self) -> str:
        return self._by_name.nobody if self._processes() is None else NOBODY

    async def next(self, tried: Collection[str] = ()) -> str | None:
        found = self._processes()
        if found is None:
            host = await self._by_name.next([host_of(each) for each in tried])
            return None if host is None else self._by_name.authority(host)
        return self._rotation.next([each for each in found if each not in tried])

    def authority(self, address: str) -> str:
        return address

    def failed(self, address: str) -> None:
        self._rotation.rest(address)
        self._by_name.failed(host_of(address))

    async def close(self) -> None:
        await self._by_name.close()
