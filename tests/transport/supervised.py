"""The worker that `test_supervisor.py` runs under the supervisor: a tiny app that says to stdout what happens to it.

The environment variable TRAP names a file. While it exists, loading fails with what it says.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from gaal.errors import ComponentLoadError
from gaal.observability.catalog import CATALOG, Definition, Kind
from gaal.observability.prometheus import render
from gaal.observability.series import Series
from gaal.transport.server import serve
from gaal.transport.types import Receive, Scope, Send
from gaal.transport.worker import WorkerContext

VISITS = Definition("visits_total", Kind.COUNTER, "Requests to /visit.")


async def worker(context: WorkerContext) -> None:
    say(f"loading {os.getpid()}")
    load()
    series = Series(context.series_files, context.slot)
    visit = series.counter(VISITS)
    in_flight = series.gauge(CATALOG["gaal_requests_in_flight"])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        body = str(os.getpid()).encode()
        if scope["path"] == "/test.Pid/Get":
            return await answer_grpc(send, body)
        match scope["path"]:
            case "/visit":
                visit(1)
            case "/metrics":
                body = render(series)
            case "/slow":
                in_flight.add(1)
                say(f"slow {os.getpid()}")
                await asyncio.sleep(float(scope["query_string"]))
                in_flight.add(-1)
            case "/held":  # until somebody writes into this pipe
                say(f"held {os.getpid()}")
                await asyncio.to_thread(Path(scope["query_string"].decode()).read_text)
            case "/block":
                say(f"blocked {os.getpid()}")
                time.sleep(float(scope["query_string"]))  # noqa: ASYNC251 – that is the point
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})
        return None

    await serve(app, context)
    say("closed")


async def answer_grpc(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/grpc")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    await send({"type": "http.response.body", "body": b"\0" + len(body).to_bytes(4, "big") + body})
    await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")]})


def load() -> None:
    trap = Path(os.environ.get("TRAP", "/nowhere"))
    if trap.exists():  # a pipe makes loading last until somebody writes into it
        text = trap.read_text()
        if text != "go":
            raise ComponentLoadError("model", text)


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())
