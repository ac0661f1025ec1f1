"""The page /docs, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from guarded import add_client, location
from serving import Serve
from tools import chromium, node, run_script

from gaal.storage.store import open_store

ECHO = """
class Model:
    def predict(self, X, names=None):
        return X

    def init_metadata(self):
        return {"inputs": [{"messagetype": "ndarray", "schema": {"names": ["x", "y"], "shape": [2]}}]}
"""


async def test_a_person_sends_requests_from_the_page(serve: Serve) -> None:
    node()
    browser = chromium()
    server = await serve(ECHO)
    saw = await run_script("docs_page.mjs", server.url, browser)

    assert saw["complaints"] == []
    assert saw["clicked"]["status"].startswith("200")
    assert saw["clicked"]["time"].endswith("ms")
    assert "seldon-puid: " in saw["clicked"]["headers"]
    assert json.loads(saw["clicked"]["content"])["data"]["ndarray"] == [[0.1, 0.2]]
    assert "\n  " in saw["clicked"]["content"]
    assert saw["curl"].startswith(f"curl '{server.url}/api/v1.0/predictions' -H 'Content-Type: application/json' -d '")
    assert saw["copied"] == ["Copied", saw["curl"]]
    assert json.loads(saw["example"]) == {"strData": "some text"}
    assert saw["complaint"].startswith("This is not JSON yet")
    assert r"it'\''s me" in saw["quoted"]
    assert json.loads(saw["typed"]["content"])["strData"] == "it's me"
    assert saw["focused"] == "unit"
    assert saw["byKeyboard"]["status"].startswith("200")
    assert saw["onPhone"]["status"].startswith("200")
    assert saw["phoneWidth"] == 360
    assert saw["darkPage"] == "rgb(20, 22, 26)"


async def test_a_token_that_the_page_was_opened_with_goes_along_with_its_requests(serve: Serve, tmp_path: Path) -> None:
    node()
    browser = chromium()
    server = await serve(ECHO, anonymous=False, data_dir=tmp_path / "data")
    with open_store(location(tmp_path)) as store:
        key = add_client(store)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        login = {"consumer_key": key.key, "consumer_secret": key.secret}
        token = (await client.post("/token", data=login)).json()["access_token"]

    saw = await run_script("docs_page_token.mjs", server.url, browser, token)

    assert saw["address"] == f"{server.url}/docs"
    assert saw["status"].startswith("200")
    assert saw["curl"].startswith(f"curl '{server.url}/api/v1.0/predictions' -H \"Authorization: Bearer $TOKEN\"")
    assert saw["withAnother"].startswith("401")
