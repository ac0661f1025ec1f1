"""The code in docs/components.md runs, and the names that it promises are there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import Serve

from gaal.components.import_names import OFFERED
from gaal.components.seldon_core.user_model import SeldonComponent
from gaal.components.user_class import OPERATIONS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "components.md").read_text()
MATRIX = [[1, 2], [3, 400]]
REPLIES = {
    "Doubler": {"data": {"names": ["t:0", "t:1"], "ndarray": [[2, 4], [6, 800]]}},
    "Careful": {"data": {"names": ["t:0"], "ndarray": [[3], [403]]}},
    "Square": {"data": {"names": ["t:0", "t:1"], "ndarray": [[7, 802], [1203, 160006]]}},
    "Echo": {"data": {"names": [], "ndarray": MATRIX}},
}
BLOCKS = {
    re.findall(r"^class (\w+)", code, re.MULTILINE)[0]: code
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
}


async def predict(serve: Serve, name: str, rows: Any) -> httpx.Response:
    server = await serve(f"{BLOCKS[name]}\n\nModel = {name}\n")
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        return await client.post("/api/v1.0/predictions", json={"data": {"ndarray": rows}})


def test_every_class_of_the_page_is_tried() -> None:
    assert BLOCKS.keys() == REPLIES.keys()


@pytest.mark.parametrize("name", REPLIES)
async def test_the_classes_of_the_page_answer(serve: Serve, name: str) -> None:
    reply = (await predict(serve, name, MATRIX)).json()

    assert {key: value for key, value in reply.items() if key != "meta"} == REPLIES[name]


async def test_a_seldon_response_brings_its_tags_and_metrics(serve: Serve) -> None:
    meta = (await predict(serve, "Careful", MATRIX)).json()["meta"]

    assert meta["tags"] == {"doubtful": 1}
    assert [(each["key"], each["type"], each["value"]) for each in meta["metrics"]] == [
        ("doubtful_rows", "COUNTER", 1),
        ("wait", "TIMER", 1.5),
    ]


async def test_a_refusal_has_the_status_the_text_and_the_reason_of_the_page(serve: Serve) -> None:
    refused = await predict(serve, "Square", [[1, 2]])

    assert refused.status_code == 422
    assert refused.json()["status"]["reason"] == "NOT_SQUARE"
    assert "a square matrix, please, not (1, 2)" in refused.json()["status"]["info"]


def test_the_page_has_every_module_that_can_be_imported_and_the_names_it_offers() -> None:
    rows = dict(re.findall(r"^\| `(seldon_core[\w.]*)` \| (.*) \|$", PAGE, re.MULTILINE))

    assert {module.removesuffix(".prediction_pb2") for module in OFFERED} - {"seldon_core.storage"} == set(rows)
    for module in ("seldon_core", "seldon_core.user_model", "seldon_core.metrics", "seldon_core.flask_utils"):
        offered = importlib.import_module(OFFERED[module]).__all__
        assert set(re.findall(r"`(\w+)`", rows[module])) == set(offered)


def test_the_page_has_every_method_of_the_contract() -> None:
    unused = {"metadata", "custom_service", "feature_names", "health_status_raw"}
    contract = {name for name in vars(SeldonComponent) if not name.startswith("__")} - unused

    assert [name for name in sorted(contract | OPERATIONS.keys()) if not re.search(rf"`{name}\b", PAGE)] == []
