"""Node's own gRPC client, over a real socket."""

from __future__ import annotations

from importlib.resources import files

from serving import Serve
from tools import node, run_script

ECHO_BUT_SLOW = """
import asyncio

class Model:
    async def predict(self, X, names=None):
        if isinstance(X, str) and X == "slow":
            await asyncio.sleep(30)
        return X
"""


async def test_grpc_js_gets_what_it_asks_for(contract: Serve) -> None:
    node()
    server = await contract(ECHO_BUT_SLOW)
    protos = str(files("gaal.protocols").joinpath("proto"))
    got = await run_script("grpc_client.mjs", server.address, protos)

    assert got["tensor"]["headers"]["seldon-puid"] == "mine"
    assert got["tensor"]["reply"]["meta"]["puid"] == "mine"
    assert got["tensor"]["reply"]["data"]["tensor"] == {"shape": [1, 2], "values": [1.5, 2]}
    assert got["text"]["reply"]["strData"] == "grüße"
    assert got["wrong"]["code"] == "INVALID_ARGUMENT"
    assert "shape" in got["wrong"]["details"]
    assert got["unknown"]["code"] == "NOT_FOUND"
    assert got["late"]["code"] == "DEADLINE_EXCEEDED"
    assert got["large"] is True
    assert got["graph"]["reply"]["name"] == "main"
    assert got["check"]["reply"] == got["watched"] == {"status": 1}
