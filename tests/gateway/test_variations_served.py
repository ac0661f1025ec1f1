"""A server that runs takes up what the command line says, in the middle of its requests."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest
from gaal_command import gaal_serve
from guarded import ALL_SECRET, add_client
from typer.testing import CliRunner

from gaal.cli.variation import variation
from gaal.storage.store import locate, open_store

CODE = """
class Model:
    class_names = ["no", "yes"]
    def predict(self, X, names=None):
        return [[0.25, 0.75]]
"""
NOTICED_S = 1.0
"""A quarter of a second is promised, of a machine that has nothing else to do."""


def set_variation(folder: Path, *variations: str) -> None:
    done = CliRunner().invoke(variation, ["set", "--client", "test", *variations, "--data-dir", str(folder)])
    assert done.exit_code == 0, done.output


async def test_variations_change_under_load_and_no_request_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setenv("GAAL_DATA_DIR", str(data))
    (tmp_path / "model.py").write_text(CODE)
    with open_store(locate(None, data, {})) as store:
        key = add_client(store)
    async with (
        gaal_serve(["model:Model"], tmp_path) as address,
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=20) as http,
    ):
        credentials = {"consumer_key": key.key, "consumer_secret": ALL_SECRET}
        token = (await http.get("/token", params=credentials)).json()["access_token"]
        seen: list[str] = []
        done = asyncio.Event()

        async def ask() -> None:
            while not done.is_set():
                reply = await http.post("/predict", json={"data": [1]}, params={"oauth_token": token})
                assert reply.status_code == 200, reply.text
                assert len(reply.json()["predictions"]) == 2
                seen.append(reply.json()["meta"]["variation"])

        async def until_seen(label: str) -> float:
            started = time.monotonic()
            while label not in seen:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            return time.monotonic() - started

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        async with asyncio.timeout(20):
            await until_seen("default")
            for number in range(3):
                await asyncio.to_thread(set_variation, data, f"v{number}=default/model:1")
                assert await until_seen(f"v{number}") < NOTICED_S
        done.set()
        await asyncio.gather(*asking)
    assert set(seen) == {"default", "v0", "v1", "v2"}
