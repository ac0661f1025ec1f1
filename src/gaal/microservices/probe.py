"""Whether a microservice answers: a connection first, then a question in its protocol."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gaal.storage.records import Api

HEALTH = "/grpc.health.v1.Health/Check"
NOT_SERVING = b"\x08\x02"
"""A HealthCheckResponse with the status NOT_SERVING."""


async def answers(host: str, port: int, api: Api, timeout_s: float) -> bool:
    """Whether it does, within the time.

    Over gRPC every answer counts, that there is no health service as well, but not that it says NOT_SERVING. Over
    REST every HTTP status counts.
    """
    try:
        async with asyncio.timeout(timeout_s):
            if not await _accepts(host, port):
                return False
            return await (_answers_grpc if api == "rpc" else _answers_http)(host, port)
    except TimeoutError:
        return False


async def _accepts(host: str, port: int) -> bool:
    """Cheaper than a gRPC channel, which would wait between its attempts to connect."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def _answers_http(host: str, port: int) -> bool:
    """Any port may be in front of a container that does not listen yet: then the connection ends at once."""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % host.encode())
            return (await reader.read(5)) == b"HTTP/"
        finally:
            writer.close()
    return False


async def _answers_grpc(host: str, port: int) -> bool:
    import grpc  # a process that keeps no rpc microservice need not load it
    import grpc.aio

    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        check = channel.unary_unary(HEALTH, None, None)
        try:
            return bytes(await check(b"")) != NOT_SERVING
        except grpc.aio.AioRpcError as error:
            return error.code() is not grpc.StatusCode.UNAVAILABLE
