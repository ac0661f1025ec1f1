"""A class as a microservice: over gRPC with own protobufs and without, and over REST."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from kept import Kept, keeping

from gaal.gateway.proto_sources import registration_of
from gaal.protocols.own_types import NO_TYPES, OwnTypes
from seldon.rpc import seldon_pb2

CODE = """
class Table:
    classes_ = ["few", "many"]
    def predict_proba(self, X):
        share = float(X["f2"].iloc[0]) if hasattr(X, "columns") else float(X[0][1])
        return [[1 - share, share]]

class Array:
    def load(self):
        self.share = 0.25
    def predict(self, X, names):
        return [[self.share, float(X[0][1])]]
    def class_names(self):
        return ["few", "many"]

class Nothing:
    pass
"""
PROTO = 'syntax = "proto3"; package own; message Request { float f1 = 1; float f2 = 2; }'


@pytest.mark.parametrize("name", ["Table", "Array"])
async def test_over_grpc_with_own_protobufs_and_without(tmp_path: Path, name: str) -> None:
    (tmp_path / "models.py").write_text(CODE)
    (tmp_path / "own.proto").write_text(PROTO)
    registration = registration_of("test", tmp_path / "own.proto")
    types = OwnTypes(registration.files, registration.request_class)
    async with keeping(tmp_path) as kept:
        kept.store.registrations.set(registration)
        kept.put("m", f"models:{name}", "rpc")
        reply = await asked(kept, types.any_of({"f1": 1, "f2": 0.75}))
        assert [(each.predictedClass, each.prediction) for each in reply.predictions] == [("few", 0.25), ("many", 0.75)]
        assert reply.meta.modelName == "m"
        assert len((await asked(kept, NO_TYPES.any_of([1, 0.75]))).predictions) == 2


async def test_other_protobufs_start_it_anew(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(CODE)
    async with keeping(tmp_path) as kept:
        kept.put("m", "models:Table", "rpc")
        first = await kept.ready("m")
        (tmp_path / "own.proto").write_text(PROTO)
        kept.store.registrations.set(registration_of("test", tmp_path / "own.proto"))
        await kept.shown("m", lambda rows: rows[0].pid != first.pid)


async def test_over_rest(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(CODE)
    async with keeping(tmp_path) as kept:
        kept.put("m", "models:Table", "rest")
        row = await kept.ready("m")
        body = json.dumps({"data": {"f1": 1, "f2": 0.75}}).encode()
        url = f"http://127.0.0.1:{row.port}/predict"
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        reply = json.loads(await asyncio.to_thread(lambda: urllib.request.urlopen(request).read()))
    assert [each["predictedClass"] for each in reply["predictions"]] == ["few", "many"]


async def test_a_class_without_a_method_to_ask_says_so(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(CODE)
    async with keeping(tmp_path) as kept:
        kept.put("m", "models:Nothing", "rpc")
        [row] = await kept.shown("m", lambda rows: bool(rows) and bool(rows[0].failure))
    assert "needs a method predict_proba or predict" in row.failure


async def asked(kept: Kept, features: Any) -> Any:
    row = await kept.ready("m")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{row.port}") as channel:
        request = seldon_pb2.ClassificationRequest()
        request.data.type_url, request.data.value = features.type_url, features.value
        return await seldon_pb2.ClassifierStub(channel).Predict(request, timeout=5)
