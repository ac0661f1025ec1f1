"""`gaal variation` sets, shows and removes what answers a client."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from guarded import add_client, location
from typer.testing import CliRunner, Result

from gaal.cli.variation import variation
from gaal.gateway import predict_algs
from gaal.gateway.predict_algs import RestServer, RpcServer, ServedDeployment
from gaal.storage.store import open_store

Type = Callable[..., Result]


@pytest.fixture
def typed(tmp_path: Path) -> Type:
    """What comes of a command, on a store with the client test."""
    with open_store(location(tmp_path)) as store:
        add_client(store)
    return lambda *words: CliRunner().invoke(variation, [*words, "--data-dir", str(tmp_path / "data")])


def committed(folder: Path, client: str = "test") -> str:
    with open_store(location(folder)) as store:
        strategy = store.strategies.get(client)
        return strategy.committed if strategy else ""


def test_variations_are_put_in_force_with_their_weights(typed: Type, tmp_path: Path) -> None:
    words = ("a=here/one:1", "b=grpc://xgboostrpc:5000,one:2", "c=http://iris:5000/predict:1")
    done = typed("set", "--client", "test", *words)
    assert (done.exit_code, done.stdout) == (0, "a  25.00%\nb  50.00%\nc  25.00%\n")
    found = predict_algs.read(committed(tmp_path), "the store").variations
    assert [each.algorithms for each in found] == [
        (ServedDeployment("here", "one"),),
        (RpcServer("xgboostrpc", 5000), ServedDeployment("", "one")),
        (RestServer("http://iris:5000/predict", "iris"),),
    ]
    with open_store(location(tmp_path)) as store:
        assert [each.action for each in store.audit.entries()] == ["variation.set"]


def test_they_are_shown_as_they_are_set(typed: Type) -> None:
    typed("set", "--client", "test", "a=here/one:3", "b=grpc://iris:5000,http://iris/predict:1")
    shown = json.loads(typed("show", "--client", "test", "--json").stdout)
    assert shown == [
        {"label": "a", "share": 0.75, "algorithms": ["here/one"]},
        {"label": "b", "share": 0.25, "algorithms": ["grpc://iris:5000", "http://iris/predict"]},
    ]
    assert "here/one" in typed("show", "--client", "test").stdout


def test_everybody_else_has_variations_of_their_own(typed: Type, tmp_path: Path) -> None:
    assert typed("set", "--client", "", "a=one:1").exit_code == 0
    assert committed(tmp_path, "")
    assert typed("show", "--client", "test").stdout == "There are no variations.\n"


def test_they_can_be_removed_once(typed: Type, tmp_path: Path) -> None:
    typed("set", "--client", "test", "a=one:1")
    assert typed("remove", "--client", "test").exit_code == 0
    assert committed(tmp_path) == ""
    assert typed("remove", "--client", "test").exit_code == 1


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("a", "must be LABEL=TARGET:WEIGHT"),
        ("a=one", "must be LABEL=TARGET:WEIGHT"),
        ("a=one:x", "variations[0].ratio"),
        ("a=one:0", "one variation must have a ratio above 0"),
        ("a=grpc://iris:5000", "must be grpc://host:port"),
        ("a=http://iris:5000", "must have a path"),
        ("a=ONE:1", "must be namespace/name or name"),
    ],
)
def test_what_cannot_be_read_changes_nothing(typed: Type, tmp_path: Path, word: str, text: str) -> None:
    refused = typed("set", "--client", "test", word)
    assert refused.exit_code == 2
    assert text in refused.stderr
    assert committed(tmp_path) == ""


def test_a_client_that_is_not_there_is_named(typed: Type) -> None:
    refused = typed("set", "--client", "nobody", "a=one:1")
    assert refused.exit_code == 1
    assert 'client "nobody"' in refused.stderr
