"""The models that may come and go while the server serves, as the protocols see them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from gaal.errors import MethodNotAllowed


class ModelRepository(Protocol):
    """Where models are, by name."""

    def names(self) -> Collection[str]:
        """Those that can be loaded."""

    async def load(self, name: str) -> None:
        """Load a model, or load it anew. Returns when it answers requests.

        Raises NotFound, and MessageError for a model that cannot be loaded: the one that was there goes on then.
        """

    async def unload(self, name: str) -> None:
        """Answer no more requests to a model. Raises NotFound."""


class FixedModels:
    """The models are those that the server was started with."""

    def names(self) -> Collection[str]:
        return ()

    async def load(self, name: str) -> None:
        raise _unchangeable("load", name)

    async def unload(self, name: str) -> None:
        raise _unchangeable("unload", name)


def _unchangeable(what: str, name: str) -> MethodNotAllowed:
    return MethodNotAllowed(f"{what} {name}: this server's models are those that it was started with", ())
