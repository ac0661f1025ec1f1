"""A gRPC server that gives back what it gets, on the Unix socket whose path is its argument."""

from __future__ import annotations

import sys
from typing import Any

import h2corn
import h2corn._lib
import uvloop


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = (await receive())["body"]
    headers = [(b"content-type", b"application/grpc")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    await send({"type": "http.response.body", "body": body, "more_body": False})
    await send({"type": "http.response.trailers", "headers": [(b"grpc-status", b"0")], "more_trailers": False})


if __name__ == "__main__":
    vars(h2corn._lib)["emit_banner"] = lambda config, tls: None
    config = h2corn.Config(
        bind=(f"unix:{sys.argv[1]}",), grpc=True, lifespan="off", access_log=False, runtime_threads=1
    )
    uvloop.run(h2corn.Server(app, config).serve())
