"""Whether the server takes requests."""

from __future__ import annotations

from gaal.errors import Unavailable
from gaal.executor.context import Context
from gaal.transport.deployments import Deployments

READY_TIMEOUT_S = 2.0
"""For the units of one predictor, which are asked at the same time."""


class Readiness:
    """Not ready are a server that stops, and one with a unit that cannot be called or, if `full`, is not well."""

    def __init__(self, deployments: Deployments, full: bool = False) -> None:
        self._deployments = deployments
        self._full = full
        self._stopping = False

    def stop(self) -> None:
        self._stopping = True

    async def check(self, context: Context) -> None:
        """Raises Unavailable, or what the first unit raises that is not well."""
        if self._stopping:
            raise Unavailable("the server is stopping")
        for served in self._deployments:
            await served.running.check_ready(self._full, READY_TIMEOUT_S, context)
