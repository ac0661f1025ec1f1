"""Models that come and go while the server serves: by request, and as their files change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import pytest
from model_files import FEATURES, ROWS, dump, library, sklearn_model
from running import rows
from serving import SERVERS

from gaal.cli import repository
from gaal.cli.worker import read_targets, running_app
from gaal.errors import ComponentLoadError, SettingsError
from gaal.observability.series import Series
from gaal.settings import ServeSettings, read_settings

PATIENCE_S = 20

MODEL_A = b"\x12\x01a"
"""The request to load or unload: field 2, `model_name`, is "a"."""


def model(constant: int) -> Any:
    """A model that answers always the same."""
    dummy = library("sklearn.dummy").DummyRegressor(strategy="constant", constant=float(constant))
    return dummy.fit(FEATURES, FEATURES[:, 0])


def put(constant: int, file: Path) -> None:
    """As a careful copier does it: the file is there at once, whole."""
    dump(model(constant), file.with_suffix(".new"))
    os.replace(file.with_suffix(".new"), file)


@asynccontextmanager
async def served(folder: Path, control: str, more: tuple[str, ...] = ()) -> AsyncIterator[httpx.AsyncClient]:
    made = ServeSettings(targets=(str(folder), *more), model_control=control)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running_app(read_targets(made), made, Series()))
        port = await stack.enter_async_context(SERVERS["h2corn"](app, made))
        url = f"http://127.0.0.1:{port}"
        yield await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))


async def answer(client: httpx.AsyncClient, name: str) -> Any:
    """What a model answers to one row; the HTTP status where it does not."""
    reply = await client.post(f"/seldon/default/{name}/api/v1.0/predictions", json=rows(ROWS[0]))
    return reply.json()["data"]["ndarray"][0] if reply.status_code == 200 else reply.status_code


async def change(client: httpx.AsyncClient, what: str, name: str) -> httpx.Response:
    return await client.post(f"/v2/repository/models/{name}/{what}")


async def until(ask: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await ask() != wanted:  # noqa: ASYNC110 – what is asked is at the other side of a socket
            await asyncio.sleep(0.02)


async def test_a_model_is_loaded_anew_and_another_one_comes_and_goes(tmp_path: Path) -> None:
    put(1, tmp_path / "a.joblib")
    async with served(tmp_path, "explicit") as client:
        assert await answer(client, "a") == 1
        put(2, tmp_path / "a.joblib")
        put(3, tmp_path / "b.joblib")
        assert [await answer(client, name) for name in "ab"] == [1, 404]
        for name in "ab":
            assert (await change(client, "load", name)).status_code == 200
        assert [await answer(client, name) for name in "ab"] == [2, 3]
        assert (await change(client, "unload", "a")).status_code == 200
        assert [await answer(client, name) for name in "ab"] == [404, 3]
        index = (await client.post("/v2/repository/index")).json()
        assert [(each["name"], each["state"]) for each in index] == [("b", "READY"), ("a", "UNAVAILABLE")]
        assert (await change(client, "load", "a")).status_code == 200
        assert await answer(client, "a") == 2
        for what in ("load", "unload"):
            missing = await change(client, what, "nosuch")
            assert missing.status_code == 404
            assert "nosuch" in missing.text


async def test_a_load_that_fails_keeps_the_old_model_and_tells_why(tmp_path: Path) -> None:
    put(1, tmp_path / "a.joblib")
    async with served(tmp_path, "explicit") as client:
        (tmp_path / "a.joblib").write_bytes(b"garbage")
        failed = await change(client, "load", "a")
        assert failed.status_code == 400
        assert 'a is not loaded: unit \\"a\\": SKLEARN_SERVER' in failed.text
        assert await answer(client, "a") == 1


async def test_a_model_that_cannot_answer_the_given_requests_is_not_served(tmp_path: Path) -> None:
    put(1, tmp_path / "a.joblib")
    (tmp_path / "a.warmup.json").write_text('[{"data":{"ndarray":[[1,2,3,4]]}}]')
    async with served(tmp_path, "explicit") as client:
        dump(sklearn_model().fit(FEATURES[:, :2], [0, 1] * 30), tmp_path / "a.joblib")
        failed = await change(client, "load", "a")
        assert failed.status_code == 400
        assert "a request to warm up" in failed.text
        assert "expected 2 features a row, got 4" in failed.text
        assert await answer(client, "a") == 1
    with pytest.raises(ComponentLoadError, match=r"a request to warm up: .*expected 2 features"):
        async with served(tmp_path, "none"):
            pass
    (tmp_path / "a.warmup.json").write_text("[1]")
    with pytest.raises(ComponentLoadError, match=r"a.warmup.json: must hold a request, or a list of them"):
        async with served(tmp_path, "none"):
            pass


async def test_no_request_fails_while_a_model_is_replaced_again_and_again(tmp_path: Path) -> None:
    put(0, tmp_path / "a.joblib")
    async with served(tmp_path, "explicit") as client:
        answers: list[Any] = []
        done = asyncio.Event()

        async def ask() -> None:
            while not done.is_set():
                answers.append(await answer(client, "a"))

        clients = [asyncio.create_task(ask()) for _ in range(8)]
        for constant in range(1, 6):
            put(constant, tmp_path / "a.joblib")
            assert (await change(client, "load", "a")).status_code == 200
            assert await answer(client, "a") == constant
        done.set()
        await asyncio.gather(*clients)
    assert set(answers) <= set(range(6))
    assert len(answers) > 8


async def test_the_old_model_answers_what_it_has_begun_and_is_closed_then(tmp_path: Path) -> None:
    import threading

    put(1, tmp_path / "a.joblib")
    async with served(tmp_path, "explicit") as client:
        for _ in range(3):
            put(2, tmp_path / "a.joblib")
            await change(client, "load", "a")

        async def n_threads() -> int:
            return len([each for each in threading.enumerate() if each.name == "gaal-unit-a"])

        await until(n_threads, 1)


async def test_the_folder_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository.Repository.watch, "__defaults__", (0.03,))
    put(1, tmp_path / "a.joblib")
    async with served(tmp_path, "poll") as client:
        assert await answer(client, "a") == 1
        put(2, tmp_path / "a.joblib")
        await until(lambda: answer(client, "a"), 2)
        put(3, tmp_path / "b.joblib")
        await until(lambda: answer(client, "b"), 3)
        (tmp_path / "b.joblib").write_bytes(b"garbage")
        (tmp_path / "a.joblib").unlink()
        await until(lambda: answer(client, "a"), 404)
        assert await answer(client, "b") == 3
        assert (await change(client, "load", "a")).status_code == 405


async def test_versions_stand_side_by_side_and_the_latest_answers(tmp_path: Path) -> None:
    for version in (1, 2, 10):
        put(version, tmp_path / f"models/a/{version}/model.joblib")
    async with served(tmp_path / "models", "explicit") as client:
        assert await answer(client, "a") == 10
        ask = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": ROWS[0]}]}
        for version in (1, 2, 10):
            reply = await client.post(f"/v2/models/a/versions/{version}/infer", json=ask)
            assert reply.json()["outputs"][0]["data"] == [version]
        put(11, tmp_path / "models/a/11/model.joblib")
        assert (await change(client, "load", "a")).status_code == 200
        assert await answer(client, "a") == 11
        assert (await client.get("/v2/models/a")).json()["versions"] == ["11", "10", "2", "1"]


def test_requests_reach_one_worker_so_they_change_models_only_where_there_is_one() -> None:
    with pytest.raises(SettingsError, match="--model-control: explicit needs --workers 1"):
        read_settings({"model_control": "explicit", "workers": "2"}, {})
    assert read_settings({"model_control": "poll", "workers": "2"}, {}).model_control == "poll"


async def test_what_a_document_describes_is_none_of_its_business(tmp_path: Path) -> None:
    put(1, tmp_path / "models/a.joblib")
    (tmp_path / "doc.yaml").write_text(
        """
        apiVersion: machinelearning.seldon.io/v1
        kind: SeldonDeployment
        metadata: {name: doc}
        spec: {predictors: [{name: p, graph: {name: m, implementation: SIMPLE_MODEL}}]}
        """
    )
    for control in ("explicit", "poll"):
        async with served(tmp_path / "models", control, more=(str(tmp_path / "doc.yaml"),)) as client:
            refused = await change(client, "unload", "doc")
            assert refused.status_code == (404 if control == "explicit" else 405)
            kept = await client.post("/seldon/default/doc/api/v1.0/predictions", json=rows([1.0]))
            assert kept.status_code == 200


async def test_models_are_loaded_and_unloaded_over_grpc(tmp_path: Path) -> None:
    put(1, tmp_path / "a.joblib")
    async with served(tmp_path, "explicit") as client:
        put(2, tmp_path / "a.joblib")
        url = f"127.0.0.1:{client.base_url.port}"
        async with grpc.aio.insecure_channel(url) as channel:

            def call(method: str) -> Awaitable[bytes]:
                ask: Any = channel.unary_unary
                reply: Awaitable[bytes] = ask(f"/inference.GRPCInferenceService/{method}")(MODEL_A)
                return reply

            await call("RepositoryModelLoad")
            assert await answer(client, "a") == 2
            (tmp_path / "a.joblib").write_bytes(b"garbage")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await call("RepositoryModelLoad")
            assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "a is not loaded" in (failed.value.details() or "")
            await call("RepositoryModelUnload")
            assert await answer(client, "a") == 404
            with pytest.raises(grpc.aio.AioRpcError) as missing:
                await call("RepositoryModelUnload")
            assert missing.value.code() is grpc.StatusCode.NOT_FOUND
