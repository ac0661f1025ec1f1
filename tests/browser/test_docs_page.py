"""The page /docs, in a real browser."""

from __future__ import annotations

import json

from serving import Serve
from tools import chromium, node, run_script

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
