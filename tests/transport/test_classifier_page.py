"""docs/classifier.md tells what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gaal.cli.variation import variation
from gaal.gateway import predict_algs
from gaal.graph.deployment import Endpoint
from gaal.graph.load import loads
from gaal.protocols import classifier
from gaal.transport.classifier_grpc import UNKNOWN_CLIENT
from gaal.transport.classifier_rest import OF_THE_CALL
from gaal.transport.classifying import STICKY_KEY
from gaal.transport.error_bean import ERROR_IDS

PAGE = (Path(__file__).parents[2] / "docs" / "classifier.md").read_text()
OF_TOKENS = {2, 5, 6, 17}
"""Numbers that only /token answers with."""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_its_strategies_can_be_read() -> None:
    first, second = [block for block in blocks("json") if "algorithms" in block]
    [alone] = predict_algs.read(first, "the page").variations
    assert alone.label == "default"
    assert [each.name for each in alone.algorithms] == ["xgboostrpc", "default/iris"]
    shares = {each.label: each.share for each in predict_algs.read(second, "the page").variations}
    assert shares == pytest.approx({"old": 0.9, "new": 0.1})


def test_its_request_is_one() -> None:
    request = json.loads(blocks("json")[0])
    assert classifier.request_of(request).meta.puid == "12345"


def test_its_reply_has_the_fields_of_a_reply() -> None:
    shown: Any = json.loads(blocks("json")[1])
    reply = classifier.decode_reply_json(json.dumps(shown).encode())
    meta = shown["meta"]
    written = classifier.encode_json(reply, puid=meta["puid"], variation=meta["variation"])
    assert json.loads(written) == shown


def test_its_graph_has_a_classifier_microservice() -> None:
    [deployment] = loads(blocks("yaml")[0], "the page")
    [xgboost, _] = deployment.predictors[0].graph.children
    assert xgboost.endpoint == Endpoint("xgboostrpc", 9000, 5000, "GRPC", protocol="classifier")


def test_it_has_every_name() -> None:
    words = [*(method.strip("/") for method in classifier.METHODS), STICKY_KEY.decode(), UNKNOWN_CLIENT]
    words += [predict_algs.RPC_SERVER, predict_algs.REST_SERVER, predict_algs.DEPLOYMENT]
    words += [
        f"gaal {variation.info.name} {command.name or ''}" for command in variation.registered_commands if command.name
    ]
    assert [word for word in words if word not in PAGE] == []
    assert [name for name in OF_THE_CALL if f"`{name}`" not in PAGE] == []


def test_it_has_the_numbers_of_all_errors() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)
    numbers = {int(number) for row in rows for number in row.split(", ")}
    assert numbers == {13, *ERROR_IDS.values()} - OF_TOKENS
