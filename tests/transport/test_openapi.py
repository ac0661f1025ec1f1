"""The OpenAPI document, and the page that shows it."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from samples import ECHO, TWO_DEPLOYMENTS
from serving import Serve

PAGES = ("/docs", "/docs/", "/api/v1.0/doc/", "/api/v0.1/doc/")

DESCRIBED = """
class Model:
    def predict(self, X, names=None):
        assert X.shape == (1, 3), X.shape
        assert list(names) == ["x", "y", "z"], names
        return X

    def init_metadata(self):
        return {"inputs": [{"messagetype": "tensor", "schema": {"names": ["x", "y", "z"], "shape": [3]}}]}
"""

ROUTED = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: routed, namespace: here}
spec:
  predictors:
  - name: main
    graph:
      name: choice
      implementation: SIMPLE_ROUTER
      children: [{name: a, implementation: SIMPLE_MODEL}, {name: b, implementation: SIMPLE_MODEL}]
"""


async def document(client: httpx.AsyncClient) -> Any:
    return (await client.get("/openapi.json")).json()


@pytest.mark.parametrize("deployments", [TWO_DEPLOYMENTS, ROUTED], ids=["two", "routed"])
async def test_the_document_is_valid_and_everywhere_the_same(serve: Serve, deployments: str) -> None:
    server = await serve(document=deployments)
    async with httpx.AsyncClient(base_url=server.url) as client:
        told = await document(client)
        for path in ("/api/v1.0/doc/seldon.json", "/api/v0.1/doc/seldon.json"):
            assert (await client.get(path)).json() == told
    OpenAPIV31SpecValidator(told).validate()


async def test_every_documented_operation_answers(contract: Serve) -> None:
    server = await contract(document=ROUTED)
    async with httpx.AsyncClient(base_url=server.url) as client:
        paths = (await document(client))["paths"]
        assert {"/api/v1.0/predictions", "/seldon/here/routed/api/v0.1/feedback", "/metrics"} <= set(paths)
        for path, item in paths.items():
            for method, operation in item.items():
                url = path.replace("{unit}", "choice")
                body = operation.get("requestBody")
                example = next(iter(body["content"]["application/json"]["examples"].values())) if body else {}
                reply = await client.request(method, url, json=example.get("value"))
                assert reply.status_code == 200, (method, url, reply.text)


async def test_paths_at_the_root_are_told_only_where_one_deployment_is_served(serve: Serve) -> None:
    server = await serve(document=TWO_DEPLOYMENTS)
    async with httpx.AsyncClient(base_url=server.url) as client:
        paths = (await document(client))["paths"]
    assert "/seldon/there/two/api/v1.0/predictions" in paths
    assert not any(path.startswith("/api/") for path in paths)


async def test_examples_fit_what_the_graph_says_of_its_inputs(serve: Serve) -> None:
    server = await serve(DESCRIBED)
    async with httpx.AsyncClient(base_url=server.url) as client:
        post = (await document(client))["paths"]["/api/v1.0/predictions"]["post"]
        examples = post["requestBody"]["content"]["application/json"]["examples"]
        assert list(examples)[:2] == ["tensor", "ndarray"]
        for kind in ("tensor", "ndarray"):
            reply = await client.post("/api/v1.0/predictions", json=examples[kind]["value"])
            assert reply.status_code == 200, reply.text


class Links(HTMLParser):
    """What a page refers to, its scripts' own text, and its attributes that would be code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.assets: list[str] = []
        self.code: list[str] = []
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_script = tag in ("script", "style")
        self.code += [name for name in given if name.startswith("on") or name == "style"]
        asset = given.get("src") if tag == "script" else given.get("href") if tag == "link" else None
        if asset:
            self.assets.append(asset)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.code.append(data)


@pytest.mark.parametrize("path", PAGES)
async def test_the_page_stands_by_itself(contract: Serve, path: str) -> None:
    server = await contract(ECHO)
    async with httpx.AsyncClient(base_url=server.url) as client:
        page = await client.get(path)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        head = await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        links = Links(page.text)
        assert links.code == []
        assert len(links.assets) == 3
        for asset in links.assets:
            assert not re.match(r"\w+:|/", asset)
            found = await client.get(str(page.url.join(asset)))
            assert (found.status_code, len(found.content) > 100) == (200, True)
        assert (await client.get(str(page.url.join(re.findall(r'data-root="([^"]*)"', page.text)[0] + "ping")))).text


async def test_the_page_shows_every_operation_and_escapes_what_users_wrote(serve: Serve) -> None:
    code = DESCRIBED.replace('"x", "y"', '"<script>", "y"')
    server = await serve(code)
    async with httpx.AsyncClient(base_url=server.url) as client:
        html = (await client.get("/docs")).text
        paths = (await document(client))["paths"]
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    shown = unescape(html.replace("<wbr>", ""))
    assert all(path in shown for path in paths)
