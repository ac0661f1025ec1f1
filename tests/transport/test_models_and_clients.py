"""Whose models the protocols beside Seldon's show, and who may change them, on a server that asks for tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio
import httpx
import pytest
from guarded import add_client, location
from serving import ONE_MODEL, Serve

from gaal.protocols.descriptors import message_class
from gaal.storage.store import Store, open_store

ECHO = """
class Model:
    def predict(self, X, names=None):
        return X
"""
SECOND = ONE_MODEL.replace("name: one,", "name: two,").replace(
    "annotations: {", 'annotations: {gaal.dev/clients: "friend", '
)
"""A deployment of another client's."""

ROW = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [0.5, 1.0]}]}

Enrol: TypeAlias = Callable[..., Awaitable[dict[str, Any]]]
"""Makes a client, and gives what httpx takes to show its token."""


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_store(location(tmp_path)) as opened:
        yield opened


@pytest.fixture
async def http(serve: Serve, store: Store, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    server = await serve(ECHO, f"{ONE_MODEL}---{SECOND}", anonymous=False, data_dir=tmp_path / "data")
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def enrol(http: httpx.AsyncClient, store: Store) -> Enrol:
    async def enrolled(name: str, scope: str = "all") -> dict[str, Any]:
        key = add_client(store, name, scope)
        login = {"consumer_key": key.key, "consumer_secret": key.secret}
        token = (await http.post("/token", data=login)).json()["access_token"]
        return {"headers": {"Authorization": f"Bearer {token}"}}

    return enrolled


async def test_without_a_token_only_health_is_answered(http: httpx.AsyncClient) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/"):
        assert (await http.get(path)).status_code == 200
    for path in ("/v2", "/v2/models", "/v2/models/one", "/v1/models", "/v1/models/one", "/v1/models/one/metadata"):
        assert (await http.get(path)).status_code == 401
    for path in ("/v2/models/one/infer", "/v1/models/one:predict", "/invocations", "/v2/repository/index"):
        assert (await http.post(path, json=ROW)).status_code == 401


async def test_a_model_of_another_client_is_not_there(http: httpx.AsyncClient, enrol: Enrol) -> None:
    test, friend = await enrol("test"), await enrol("friend")

    assert (await http.get("/v2/models", **test)).json() == {"models": ["one"]}
    assert (await http.get("/v1/models", **friend)).json() == {"models": ["one", "two"]}
    index = (await http.post("/v2/repository/index", **test)).json()
    assert [each["name"] for each in index] == ["one"]
    for path in ("/v2/models/two/infer", "/v1/models/two:predict", "/seldon/here/two/v2/models/two/infer"):
        refused = await http.post(path, json=ROW, **test)
        assert refused.status_code == 404
        assert "two," not in refused.text
    assert (await http.post("/v2/models/two/infer", json=ROW, **friend)).status_code == 200


async def test_readonly_reads_and_predicts_nothing(http: httpx.AsyncClient, enrol: Enrol) -> None:
    reader = await enrol("reader", "readonly")

    assert (await http.get("/v2/models/one", **reader)).status_code == 200
    assert (await http.post("/v2/models/one/infer", json=ROW, **reader)).status_code == 403
    assert (await http.post("/v1/models/one:predict", json={"instances": [[1.0, 2.0]]}, **reader)).status_code == 403


@pytest.mark.parametrize(("scope", "status"), [("all", 403), ("all models", 405), ("models", 405)])
async def test_only_the_scope_models_may_load_and_unload(
    http: httpx.AsyncClient, enrol: Enrol, scope: str, status: int
) -> None:
    """405: the server's models are fixed."""
    caller = await enrol("operator", scope)

    for change in ("load", "unload"):
        changed = await http.post(f"/v2/repository/models/one/{change}", json={}, **caller)
        assert changed.status_code == status


async def test_over_grpc_the_same_rules_hold(http: httpx.AsyncClient, enrol: Enrol) -> None:
    address = http.base_url.netloc.decode()
    token = (await enrol("test"))["headers"]["Authorization"]
    ready = message_class("inference.ModelReadyRequest")

    async with grpc.aio.insecure_channel(address) as opened:
        channel: Any = opened  # the stubs know no calls without serializers

        async def refusal(method: str, request: Any, *metadata: tuple[str, str]) -> grpc.StatusCode:
            call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(request.SerializeToString(), metadata=metadata)
            return refused.value.code()

        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        assert await live(b"")
        assert await refusal("ModelReady", ready(name="one")) is grpc.StatusCode.UNAUTHENTICATED
        mine = ("authorization", token)
        assert await refusal("ModelReady", ready(name="two"), mine) is grpc.StatusCode.NOT_FOUND
        load = message_class("inference.RepositoryModelLoadRequest")
        assert await refusal("RepositoryModelLoad", load(model_name="one"), mine) is grpc.StatusCode.PERMISSION_DENIED
