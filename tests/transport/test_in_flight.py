"""How many requests are under way, as `/metrics` shows it."""

from __future__ import annotations

import asyncio

import httpx
from samples import SLOW
from serving import Serve

GAUGE = "gaal_requests_in_flight"


async def shown(client: httpx.AsyncClient, value: str) -> None:
    """Ends when the gauge has this value. It follows what happens within 50 ms."""
    while f"{GAUGE} {value}" not in (await client.get("/metrics")).text.splitlines():
        pass


async def test_a_request_that_takes_its_time_is_counted_until_it_ends(serve: Serve) -> None:
    server = await serve(SLOW)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client, asyncio.timeout(10):
        request = asyncio.create_task(client.post("/api/v1.0/predictions", json={"strData": "x"}))
        await server.components.started.wait()
        await shown(client, "1")
        request.cancel()
        await shown(client, "0")
