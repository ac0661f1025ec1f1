"""Gaal, an open prediction server: models and inference graphs over REST and gRPC.

`gaal.Client` and `gaal.AsyncClient` ask such a server; they are imported when they are first looked at.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaal.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in ("AsyncClient", "Client"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gaal import client

    return getattr(client, name)
