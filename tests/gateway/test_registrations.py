"""What clients register is in force in a running server a moment later, and for nobody else."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from gaal_command import environment, gaal_serve
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from guarded import Guard, Guarded, add_client, bearer
from openapi_spec_validator import OpenAPIV31SpecValidator

from gaal.errors import MessageError
from gaal.gateway.proto_sources import registration_of
from gaal.gateway.registrations import RegisteredTypes
from gaal.protocols import classifier
from gaal.protocols.descriptors import message_class
from gaal.protocols.own_types import NO_TYPES, OwnTypes
from gaal.storage.changes import ChangeFeed
from gaal.storage.location import locate
from gaal.storage.records import Registration
from gaal.storage.store import Store, open_store
from gaal.transport.caller_types import CallerTypes
from gaal.transport.grpc import Call
from gaal.transport.rest import Request

IRIS = """
syntax = "proto3";
package io.seldon.microservice.iris;
message IrisPredictRequest { float f1 = 1; float f2 = 2; float f3 = 3; float f4 = 4; }
message IrisReply { string why = 1; }
"""
IRIS_CLASS = "io.seldon.microservice.iris.IrisPredictRequest"
REPLY_CLASS = "io.seldon.microservice.iris.IrisReply"

OTHER = 'syntax = "proto3"; package io.seldon.microservice.iris; message IrisPredictRequest { string text = 1; }'

SUMS = """
class Sums:
    '''Answers every feature with itself.'''

    def predict(self, X, names):
        self.names = list(names)
        return [[float(value) for value in X[0]]]

    def class_names(self):
        return self.names
"""

REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


def registration(folder: Path, client: str = "test", text: str = IRIS, reply_class: str = REPLY_CLASS) -> Registration:
    path = folder / f"{client}.proto"
    path.write_text(text)
    return registration_of(client, path, IRIS_CLASS, reply_class)


async def until(condition: Callable[[], bool]) -> float:
    """How long it took until it held, in seconds."""
    started = time.perf_counter()
    while not condition():
        assert time.perf_counter() - started < 10
        await asyncio.sleep(0.005)
    return time.perf_counter() - started


@pytest.fixture
async def live(store: Store) -> AsyncIterator[RegisteredTypes]:
    feed = ChangeFeed(store)
    await feed.start()
    registered = RegisteredTypes()
    await registered.attach(store, feed)
    yield registered
    await feed.close()


async def test_what_is_registered_changed_and_removed_is_noticed_at_once(
    store: Store, live: RegisteredTypes, tmp_path: Path
) -> None:
    add_client(store)
    assert live.of("test") is NO_TYPES
    store.registrations.set(registration(tmp_path))
    assert await until(lambda: live.of("test").request_class == IRIS_CLASS) < 0.5
    first = live.of("test")
    assert classifier.decode_json(b'{"data": {"f1": 1}}', first).payload is not None

    store.registrations.set(registration(tmp_path, text=OTHER, reply_class=""))
    await until(lambda: live.of("test") is not first)
    with pytest.raises(MessageError, match="has no field 'f1'"):
        classifier.decode_json(b'{"data": {"f1": 1}}', live.of("test"))

    store.registrations.remove("test")
    await until(lambda: live.of("test") is NO_TYPES)


async def test_types_that_did_not_change_are_kept_as_they_are(
    store: Store, live: RegisteredTypes, tmp_path: Path
) -> None:
    for client in ("one", "two"):
        add_client(store, client)
    store.registrations.set(registration(tmp_path, "one"))
    await until(lambda: live.of("one") is not NO_TYPES)
    kept = live.of("one")
    store.registrations.set(registration(tmp_path, "two", OTHER, ""))
    await until(lambda: live.of("two") is not NO_TYPES)
    assert live.of("one") is kept


async def test_what_cannot_be_used_leaves_the_old_types_in_force(
    store: Store, live: RegisteredTypes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_client(store)
    good = registration(tmp_path)
    store.registrations.set(good)
    await until(lambda: live.of("test") is not NO_TYPES)
    kept = live.of("test")
    with caplog.at_level(logging.ERROR):
        store.registrations.set(replace(good, files=b"\xff"))
        await until(lambda: "cannot be used" in caplog.text)
    assert 'client "test": its protobufs cannot be used: not a FileDescriptorSet' in caplog.text
    assert live.of("test") is kept


async def test_a_client_that_is_removed_takes_its_types_along(
    store: Store, live: RegisteredTypes, tmp_path: Path
) -> None:
    add_client(store)
    store.registrations.set(registration(tmp_path))
    await until(lambda: live.of("test") is not NO_TYPES)
    store.clients.remove("test")
    await until(lambda: live.of("test") is NO_TYPES)


async def test_from_the_command_to_the_first_typed_reply_takes_less_than_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server as users run it. The bound here is a wide one, for a machine that is busy with other tests."""
    monkeypatch.setenv("GAAL_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "Sums.py").write_text(SUMS)
    (tmp_path / "iris.proto").write_text(IRIS)
    with open_store(locate(None, tmp_path / "data", {})) as store:
        key = add_client(store)
    async with gaal_serve(["Sums"], tmp_path) as address, httpx.AsyncClient(trust_env=False) as http:
        secret = {"consumer_key": key.key, "consumer_secret": key.secret}
        token = (await http.get(f"http://{address}/token", params=secret)).json()["access_token"]
        request = {"data": {"f4": 1.5, "f1": "2"}, "meta": {"puid": 7}}

        async def ask() -> Any:
            return (await http.post(f"http://{address}/predict", json=request, params={"oauth_token": token})).json()

        untyped = await ask()
        assert [each["predictedClass"] for each in untyped["predictions"]] == ["f4", "f1"]

        started = time.perf_counter()
        words = ("proto", "add", "--client", "test", "--proto", "iris.proto", "--request-class", IRIS_CLASS)
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gaal", *words, cwd=tmp_path, env=environment(), stdout=asyncio.subprocess.DEVNULL
        )
        while (typed := await ask()) == untyped:
            assert time.perf_counter() - started < 10
            await asyncio.sleep(0.005)
        print(f"from the command to the first typed reply: {time.perf_counter() - started:.2f} s")
        assert await command.wait() == 0
        assert typed["meta"]["puid"] == "7"
        shown = {each["predictedClass"]: each["prediction"] for each in typed["predictions"]}
        assert shown == {"f1": 2.0, "f2": 0.0, "f3": 0.0, "f4": 1.5}


# Seen from outside


async def served(guard: Guard, tmp_path: Path) -> tuple[Guarded, str, str]:
    """A server with two clients who have different types of one name, and a token of each."""
    guarded = await guard()
    keys = [add_client(guarded.store, name) for name in ("test", "other")]
    guarded.store.registrations.set(registration(tmp_path))
    guarded.store.registrations.set(registration(tmp_path, "other", OTHER, ""))
    await until(lambda: len({guarded.registered.of(name) for name in ("test", "other")} - {NO_TYPES}) == 2)
    await guarded.accounts.refresh_clients()
    one, two = [await guarded.token(key) for key in keys]
    return guarded, one, two


async def reflected(guarded: Guarded, token: str, **asked: str) -> Any:
    request: Any = message_class("grpc.reflection.v1.ServerReflectionRequest")
    response: Any = message_class("grpc.reflection.v1.ServerReflectionResponse")

    async def requests() -> AsyncIterator[Any]:
        yield request(**asked)

    async with guarded.server.channel() as channel:
        call = channel.stream_stream(REFLECT, request.SerializeToString, response.FromString)
        [answer] = [each async for each in call(requests(), metadata=(("oauth_token", token),))]
        return answer


def fields_in(answer: Any) -> list[str]:
    files = [FileDescriptorProto.FromString(each) for each in answer.file_descriptor_response.file_descriptor_proto]
    return [field.name for field in files[0].message_type[0].field]


async def test_reflection_tells_each_client_its_own_types(guard: Guard, tmp_path: Path) -> None:
    guarded, one, two = await served(guard, tmp_path)
    assert fields_in(await reflected(guarded, one, file_containing_symbol=IRIS_CLASS)) == ["f1", "f2", "f3", "f4"]
    assert fields_in(await reflected(guarded, two, file_containing_symbol=IRIS_CLASS)) == ["text"]
    assert fields_in(await reflected(guarded, one, file_by_filename="test.proto")) == ["f1", "f2", "f3", "f4"]
    for answer in (
        await reflected(guarded, two, file_by_filename="test.proto"),
        await reflected(guarded, two, file_containing_symbol=REPLY_CLASS),
        await reflected(guarded, two, all_extension_numbers_of_type=REPLY_CLASS),
    ):
        assert answer.error_response.error_code == 5
    known = await reflected(guarded, one, all_extension_numbers_of_type=REPLY_CLASS)
    assert known.all_extension_numbers_response.base_type_name == REPLY_CLASS


async def test_openapi_shows_each_client_the_classifier_with_its_own_types(guard: Guard, tmp_path: Path) -> None:
    guarded, one, two = await served(guard, tmp_path)

    async def document(token: str) -> Any:
        return (await guarded.http.get("/openapi.json", headers=bearer(token))).json()

    shown = await document(one)
    OpenAPIV31SpecValidator(shown).validate()
    schemas = shown["components"]["schemas"]
    assert list(schemas[f"own.{IRIS_CLASS}"]["properties"]) == ["f1", "f2", "f3", "f4"]
    assert schemas["ClassificationReply"]["properties"]["custom"]["anyOf"][0] == {
        "$ref": f"#/components/schemas/own.{REPLY_CLASS}"
    }
    body = shown["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]["smallest"]["value"] == {"data": {"f1": 0.0, "f2": 0.0, "f3": 0.0, "f4": 0.0}}

    other = (await document(two))["components"]["schemas"]
    assert list(other[f"own.{IRIS_CLASS}"]["properties"]) == ["text"]
    assert f"own.{REPLY_CLASS}" not in other


async def test_a_client_that_registered_nothing_is_shown_a_list_of_numbers(guard: Guard) -> None:
    guarded = await guard()
    key = add_client(guarded.store)
    await guarded.accounts.refresh_clients()
    response = await guarded.http.get("/docs", headers=bearer(await guarded.token(key)))
    assert response.status_code == 200
    assert "/js/predict" in response.text
    shown = (await guarded.http.get("/openapi.json", headers=bearer(await guarded.token(key)))).json()
    assert shown["components"]["schemas"]["ClassificationRequest"]["properties"]["data"]["type"] == "array"


async def test_an_anonymous_server_tells_strangers_nothing_of_clients(serve: Any) -> None:
    server = await serve("class Model:\n    def predict(self, X, names): return X")
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        assert "/predict" not in (await client.get("/openapi.json")).json()["paths"]


async def test_on_an_anonymous_server_too_a_token_shows_its_own_types_and_a_wrong_one_nothing(
    guard: Guard, tmp_path: Path
) -> None:
    guarded, one, two = await served(guard, tmp_path)
    types = CallerTypes(guarded.registered, guarded.accounts)

    async def asked(headers: dict[bytes, bytes], query: bytes = b"") -> list[OwnTypes | None]:
        request = Request(headers, {"query_string": query}, "a-puid")
        return [await types.of_request(request), await types.of_call(Call(headers, None))]

    mine, others = guarded.registered.of("test"), guarded.registered.of("other")
    assert await asked({b"authorization": f"Bearer {one}".encode()}) == [mine, mine]
    assert await asked({b"oauth_token": two.encode()}) == [None, others]
    assert await asked({}, f"oauth_token={two}".encode()) == [others, None]
    assert await asked({b"authorization": b"Bearer 00000000000000000000000000"}) == [None, None]
    assert await asked({}) == [None, None]
