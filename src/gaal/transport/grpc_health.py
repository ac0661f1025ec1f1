"""The service `grpc.health.v1.Health`: what balancers and probes ask, once with Check or on and on with Watch.

Source: "GRPC Health Checking Protocol" of the gRPC project.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import suppress
from enum import Enum
from typing import Any

from google.protobuf.message import DecodeError

from gaal.errors import MessageError, NotFound, Unavailable
from gaal.protocols.descriptors import message_class
from gaal.transport.grpc import Call, Method, StreamingMethod, UnaryMethod

SERVICE = "grpc.health.v1.Health"


class ServingStatus(Enum):
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class Health:
    """The health of the server, which has the name "", and of each of its `services`: they are well together."""

    def __init__(self, services: Collection[str]) -> None:
        self._services = frozenset(("", *services))
        self._is_serving = True
        self._is_closed = False
        self._changed: set[asyncio.Event] = set()
        self._request: Any = message_class("grpc.health.v1.HealthCheckRequest")
        reply: Any = message_class("grpc.health.v1.HealthCheckResponse")
        self._replies: dict[ServingStatus, bytes] = {
            each: reply(status=each.value).SerializeToString() for each in ServingStatus
        }

    def methods(self) -> dict[str, Method]:
        return {
            f"/{SERVICE}/Check": UnaryMethod(self.check, reads=True, is_open=True),
            f"/{SERVICE}/Watch": StreamingMethod(self.watch, reads=True, is_open=True),
        }

    def set_serving(self, is_serving: bool) -> None:
        """Change the answer, and tell all who watch."""
        self._is_serving = is_serving
        self._wake()

    def close(self) -> None:
        """Tell all who watch that nothing is served any more, and end their calls: a drain must not wait for them."""
        self._is_closed = True
        self.set_serving(False)

    async def check(self, request: bytes, call: Call) -> bytes:
        """Raises NotFound for a service that is not there."""
        service = self._service(request)
        status = self._status(service)
        if status is ServingStatus.SERVICE_UNKNOWN:
            raise NotFound(f"there is no service {service!r}: those served are {', '.join(sorted(self._services))}")
        return self._replies[status]

    async def watch(self, requests: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """The status at once, and again whenever it changes. A service that is not there may still come."""
        service = self._service(await anext(requests, b""))
        changed = asyncio.Event()
        self._changed.add(changed)
        told = None
        try:
            while True:
                changed.clear()
                status = self._status(service)
                if status is not told:
                    yield self._replies[status]
                    told = status
                elif self._is_closed:
                    raise Unavailable("the server is about to stop")
                else:
                    await changed.wait()
        finally:
            self._changed.discard(changed)

    def _status(self, service: str) -> ServingStatus:
        if service not in self._services:
            return ServingStatus.SERVICE_UNKNOWN
        return ServingStatus.SERVING if self._is_serving else ServingStatus.NOT_SERVING

    def _service(self, request: bytes) -> str:
        with suppress(DecodeError):
            service: str = self._request.FromString(request).service
            return service
        raise MessageError("the body is not a HealthCheckRequest")

    def _wake(self) -> None:
        for changed in self._changed:
            changed.set()

    @property
    def n_watchers(self) -> int:
        return len(self._changed)
