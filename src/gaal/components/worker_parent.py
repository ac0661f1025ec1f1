"""The parent of a unit's process, as the process sees it: the other end of what `worker_process` describes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable

import orjson

from gaal.components.worker_orders import Orders
from gaal.executor.events import RecordMetrics
from gaal.messages import Metric

STANDARD_INPUT = 0


class Parent:
    """The other end of standard input. `gone` is set when it says stop, or has ended."""

    def __init__(self) -> None:
        # User code that reads its standard input must find an end there, and not the parent.
        self._socket = socket.socket(fileno=os.dup(STANDARD_INPUT))
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), STANDARD_INPUT)
        self.gone = asyncio.Event()

    def orders(self) -> Orders:
        with self._socket.makefile("rb", buffering=0) as lines:
            return Orders.decode(lines.readline())

    def listen(self) -> None:
        """Notice from now on when it is gone. It says nothing more before that."""
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def _hear(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self.gone.set()

    def tell_ready(self) -> None:
        self._tell(ready=True)

    def tell_failed(self, what: str) -> None:
        """The unit could not be loaded."""
        self._tell(failed=what)

    def tell_hung(self, how: str) -> None:
        """This process asks for its end."""
        self._tell(hung=how)

    def recorder(self, method: str) -> RecordMetrics:
        """Metrics are counted where /metrics is, which is at the parent."""

        def record(metrics: Iterable[Metric]) -> None:
            self._tell(metrics={method: [[each.key, each.type, each.value, each.tags] for each in metrics]})

        return record

    def _tell(self, **said: object) -> None:
        try:
            self._socket.sendall(orjson.dumps(said, default=str, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
        except OSError:  # there is no parent any more, and nobody to serve
            os._exit(1)
