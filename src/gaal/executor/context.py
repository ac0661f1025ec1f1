"""What belongs to one request on its way through a graph, and to no single message."""

from __future__ import annotations

from collections.abc import Mapping

from gaal.messages import Encoding


class Context:
    """One request: its id, the routes it took so far, the headers it came with.

    `routing` is shared by all branches of the request: a unit writes the branch it took under its own name.
    `interrupted` names the units that had not answered when the request was cancelled.
    """

    __slots__ = ("encoding", "headers", "interrupted", "puid", "routing")

    def __init__(
        self, puid: str, encoding: Encoding = Encoding.JSON, headers: Mapping[bytes, bytes] | None = None
    ) -> None:
        self.puid = puid
        self.encoding = encoding
        self.headers = headers or {}
        self.routing: dict[str, int] = {}
        self.interrupted: tuple[str, ...] = ()
