"""`python -m gaal.cli.unit_worker`: the process of a unit that is placed in `worker`. Its parent starts it.

Standard input is a socket to the parent; `gaal.components.worker_process` tells what is said there. The unit itself
answers over the internal gRPC API, on the Unix socket that the orders name.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from random import Random
from time import monotonic
from types import FrameType

from gaal.cli.logs import configure_logs
from gaal.components.loading import ComponentLoader
from gaal.components.user_class import UserClass
from gaal.components.worker_orders import Orders
from gaal.components.worker_parent import Parent
from gaal.errors import ComponentLoadError
from gaal.executor.node import Node
from gaal.transport.supervisor import die_with
from gaal.transport.unit_server import UnitApp, serve_unit
from gaal.transport.worker import new_event_loop

CHECKS_A_TIMEOUT = 10
"""How often to look for a call that hangs, in the time that it may."""


def main() -> None:
    """Runs the process to its end: it must not wait for threads of user code that go on for ever."""
    status = 1
    try:
        take_signals()
        parent = Parent()
        orders = parent.orders()
        die_with(orders.parent)
        configure_logs(logging.getLevelName(orders.log_level))
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            status = runner.run(work(parent, orders))
    except Exception:
        logging.exception("the process of a unit failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def take_signals() -> None:
    """All that a terminal or a service manager sends to every process is the parent's to handle.

    They get a handler that does nothing, since ignored signals would stay ignored in programs that a component starts.
    """

    def nothing(number: int, frame: FrameType | None) -> None: ...

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, nothing)


async def work(parent: Parent, orders: Orders) -> int:
    """Load the unit and serve it until the parent is gone. Gives the exit status."""
    parent.listen()
    loading = asyncio.create_task(loaded(orders, parent))
    gone = asyncio.create_task(parent.gone.wait())
    await asyncio.wait((loading, gone), return_when=asyncio.FIRST_COMPLETED)
    if gone.done():
        return 0
    try:
        node = await loading
    except ComponentLoadError as error:
        parent.tell_failed(error.what)
        return 1
    # What is loaded now stays: the collector need not look at it again and again, least of all in a request.
    gc.collect()
    gc.freeze()
    watching = asyncio.create_task(watch(node, orders.hang_timeout_s, parent))
    await serve_unit(UnitApp(node, orders.unit.name), orders.socket, parent.tell_ready, parent.gone)
    watching.cancel()
    await node.close()
    return 0


async def loaded(orders: Orders, parent: Parent) -> Node:
    """The unit, started. Raises ComponentLoadError."""
    node = ComponentLoader(orders.app_dir, Random(), models=orders.models).make_node(orders.unit, parent.recorder)
    await node.start()
    return node


async def watch(node: Node, timeout_s: float | None, parent: Parent) -> None:
    """Tell the parent when the unit's thread is at one call for too long after its caller has gone."""
    if timeout_s is None or not isinstance(node, UserClass):
        return
    watched: object = None
    since = monotonic()
    while True:
        await asyncio.sleep(timeout_s / CHECKS_A_TIMEOUT)
        abandoned = node.abandoned
        if abandoned is None or abandoned is not watched:
            watched, since = abandoned, monotonic()
        elif monotonic() - since >= timeout_s:
            parent.tell_hung(f"hung: a call that nobody waits for kept it for {timeout_s:g} s, and was killed")
            return


if __name__ == "__main__":
    main()
