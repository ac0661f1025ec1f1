"""`start-microservice`: what it writes, and how it waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kept import Kept, keeping

from gaal.cli import start_microservice
from gaal.gateway import predict_algs
from gaal.gateway.predict_algs import RestServer, RpcServer
from gaal.storage.records import Client, Image
from gaal.storage.store import Store, locate, open_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that no server has open, with a client; the command waits no time for a server."""
    monkeypatch.setenv("GAAL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(start_microservice, "SERVER_NOTICES_S", 0.0)
    with open_store(locate(None, tmp_path / "data", {})) as store:
        store.clients.add(Client("test"))
        yield store


def start(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        start_microservice.main(["--type", "prediction", "--client", "test", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_microservices_and_the_variations_are_written(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.images.put(Image("owner/image:1", "/somewhere"))
    folder = str(tmp_path)
    three = ("-i", "a", "owner/image:1", "rpc", "0.7", "-p", "b", folder, "0.2", "-p", "c", folder, "rpc", "0.1")
    assert start("--replicas", "2", *three) == 0
    rows = [replace(row, created_at=0) for row in store.microservices.all()]
    kept = [(row.name, row.target, row.api, row.model_name, row.pipeline, row.n_replicas) for row in rows]
    assert kept == [
        ("a", "owner/image:1", "rpc", "", "", 2),
        ("b", "", "rest", "b", folder, 2),
        ("c", "", "rpc", "c", folder, 2),
    ]
    strategy = store.strategies.get("test")
    assert strategy is not None
    assert json.loads(strategy.committed)["variations"][0] == {
        "label": "a",
        "ratio": 0.7,
        "config": {
            "algorithms": [
                {
                    "name": "rpcPredictionServer",
                    "config": [
                        {"name": "io.seldon.rpc.microservice.host", "value": "a"},
                        {"name": "io.seldon.rpc.microservice.port", "value": "5000"},
                    ],
                }
            ]
        },
    }
    variations = predict_algs.read(strategy.committed, "the store").variations
    algorithms = [each.algorithms[0] for each in variations]
    assert algorithms == [RpcServer("a", 5000), RestServer("http://b:5000/predict", "b"), RpcServer("c", 5000)]
    assert "No server runs on this machine" in capsys.readouterr().out


def test_microservices_of_before_go_on_and_those_of_the_same_name_are_replaced(store: Store) -> None:
    store.images.put(Image("old", "/old"))
    store.images.put(Image("new", "/new"))
    start("-i", "a", "old", "rpc", "0.5", "-i", "b", "old", "rpc", "0.5")
    start("-i", "b", "new", "rest", "1")
    assert [(row.name, row.target) for row in store.microservices.all()] == [("a", "old"), ("b", "new")]
    strategy = store.strategies.get("test")
    assert strategy is not None
    assert [each.label for each in predict_algs.read(strategy.committed, "").variations] == ["b"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "at least one microservice must be given"),
        (("-i", "a", "x", "rpc", "0.5"), "the ratios must sum to 1; 0.5 is 0.5"),
        (("-i", "a", "x", "rpc", "0.7", "-i", "b", "x", "rpc", "0.4"), "0.7 + 0.4 is 1.1"),
        (("-i", "a", "x", "rpc", "much"), "-i a: the ratio must be a number from 0 to 1 (got 'much')"),
        (("-i", "a", "x", "nan", "1"), "-i a: must say rpc or rest before the ratio (got 'nan')"),
        (("-i", "a", "x", "rpc", "nan"), "-i a: the ratio must be a number from 0 to 1 (got 'nan')"),
        (("-i", "a/b", "x", "rpc", "1"), "a name has letters, digits, . _ and -, 63 at most (got 'a/b')"),
        (("-i", "a", "x", "rpc", "0.5", "-i", "a", "x", "rpc", "0.5"), "needs a name of its own (got 'a')"),
        (("-p", "a", "/x"), "-p: takes NAME FOLDER RATIO or NAME FOLDER rpc|rest RATIO (got 'a /x')"),
        (("-p", "a", "/no/such", "1"), "-p a: there must be a folder with a pipeline (got '/no/such')"),
        (("-i", "a", "x", "rpc", "1", "--replicas", "0"), "--replicas: must be 1 or more (got 0)"),
    ],
)
def test_what_is_mistyped_is_named_and_nothing_is_written(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert start(*arguments) == 2
    assert said in capsys.readouterr().err
    assert store.microservices.all() == []
    assert store.strategies.get("test") is None


def test_an_unknown_client_a_missing_folder_and_recommendations_are_refused(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("-i", "a", "/no/such/folder", "rpc", "1") == 1
    assert '"/no/such/folder": there is no such file or folder' in capsys.readouterr().err
    assert start("--client", "nobody", "-i", "a", "x", "rpc", "1") == 1
    assert 'client "nobody": there is no such client (there are: test)' in capsys.readouterr().err
    assert start("--type", "recommendation", "-i", "a", "x", "rest", "1") == 1
    assert "not recommendations" in capsys.readouterr().err


async def test_where_a_server_runs_predictions_move_when_all_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with keeping(tmp_path) as kept:
        assert await started(kept, kept.script("one", "answer('one')")) == 0
        port = (await kept.ready("m")).port
        assert kept.store.strategies.get("test") is not None
    out = capsys.readouterr().out
    assert out == f'Starting m …\nm is ready at 127.0.0.1:{port}\nm: rest, 1 of the predictions of client "test"\n'


async def test_where_it_does_not_start_predictions_stay_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with keeping(tmp_path) as kept:
        await started(kept, kept.script("one", "answer('one')"))
        before = kept.store.strategies.get("test")
        assert await started(kept, kept.script("two", "sys.exit('broken')"), name="other") == 1
        assert await started(kept, kept.script("three", "sys.exit('broken as well')")) == 1
        assert kept.store.strategies.get("test") == before
        assert (await kept.ready("m")).state == "ready"
    said = capsys.readouterr().err
    assert "m: its successor: it ended with status 1" in said
    assert "  broken as well" in said
    assert "other: it ended with status 1 before it was ready" in said
    assert "The client's variations are as they were." in said


async def started(kept: Kept, target: str, name: str = "m") -> int:
    arguments = ["--data-dir", str(kept.folder / "data"), "-i", name, target, "rest", "1.0"]
    return await asyncio.to_thread(start, *arguments)
