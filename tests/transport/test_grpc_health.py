"""`grpc.health.v1.Health` over a real socket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_clients import method
from samples import ECHO
from serving import Serve

from gaal.cli.worker import running_app
from gaal.graph.load import loads
from gaal.observability.series import Series
from gaal.protocols.descriptors import message_class
from gaal.settings import ServeSettings
from gaal.transport.server import serve as serve_in_worker
from gaal.transport.worker import GO, WorkerContext

REQUEST, RESPONSE = "grpc.health.v1.HealthCheckRequest", "grpc.health.v1.HealthCheckResponse"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
BUILT_IN = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: one}
spec:
  predictors: [{name: main, graph: {name: model, implementation: SIMPLE_MODEL}}]
"""
SERVICES = (
    "",
    "seldon.protos.Seldon",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)


def request(service: str) -> Any:
    return message_class(REQUEST)(service=service)


def watching(channel: grpc.aio.Channel) -> Any:
    path = "/grpc.health.v1.Health/Watch"
    return channel.unary_stream(path, message_class(REQUEST).SerializeToString, message_class(RESPONSE).FromString)


async def test_check_answers_for_the_server_and_every_service(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        check = method(channel, "/grpc.health.v1.Health/Check", REQUEST, RESPONSE)
        for service in SERVICES:
            assert (await check(request(service))).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(request("seldon.protos.Model"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        server.app.stop_being_ready()
        assert (await check(request(""))).status == NOT_SERVING


async def test_watch_tells_the_status_and_each_change(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        watch = watching(channel)(request("seldon.protos.Seldon"))
        assert (await watch.read()).status == SERVING
        server.app.health.set_serving(False)
        assert (await watch.read()).status == NOT_SERVING
        server.app.health.set_serving(True)
        assert (await watch.read()).status == SERVING
        watch.cancel()


async def test_watch_ends_when_the_server_stops_so_that_a_drain_need_not_wait(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        watch = watching(channel)(request(""))
        assert (await watch.read()).status == SERVING
        server.app.stop_being_ready()
        assert (await watch.read()).status == NOT_SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_watch_of_a_service_that_is_not_there_stays(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        watch = watching(channel)(request("nobody"))
        assert (await watch.read()).status == SERVICE_UNKNOWN
        server.app.health.set_serving(False)
        server.app.health.set_serving(True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watch.read(), 0.2)


async def test_a_deadline_ends_a_watch(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        watch = watching(channel)(request(""), timeout=0.2)
        assert (await watch.read()).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch.read()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_watcher_that_goes_away_is_forgotten(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        watch = watching(channel)(request(""))
        await watch.read()
        assert server.app.health.n_watchers == 1
        watch.cancel()
        async with asyncio.timeout(5):
            while server.app.health.n_watchers:  # noqa: ASYNC110 – nobody else wants to know of it
                await asyncio.sleep(0.01)


async def test_a_broken_request_is_an_invalid_argument(contract: Serve) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        for call in (
            channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)(b"\xff"),
            channel.unary_stream("/grpc.health.v1.Health/Watch", bytes, bytes)(b"\xff").read(),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_worker_does_not_wait_for_those_who_watch(tmp_path: Path) -> None:
    """The real worker's way to its end, on SIGTERM, in this process."""
    reports, orders = os.pipe(), os.pipe()
    os.write(orders[1], GO)
    settings = ServeSettings(app_dir=tmp_path, drain_timeout_s=60)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        context = WorkerContext(settings, 0, (listener,), (), reports[1], orders[0])
        port = listener.getsockname()[1]
        async with running_app(loads(BUILT_IN, "the test's document"), settings, Series()) as app:
            worker = asyncio.create_task(serve_in_worker(app, context, on_stop=app.stop_being_ready))
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                watch = watching(channel)(request(""), wait_for_ready=True)
                assert (await watch.read()).status == SERVING
                os.kill(os.getpid(), signal.SIGTERM)
                assert (await watch.read()).status == NOT_SERVING
                async with asyncio.timeout(10):
                    await worker
    asyncio.get_running_loop().remove_reader(orders[0])
    for each in (*reports, *orders):
        os.close(each)


async def test_a_watcher_that_leaves_during_a_change_is_no_fault(
    contract: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = await contract(ECHO)
    async with server.channel() as channel:
        for is_serving in (False, True, False, True):
            watch = watching(channel)(request(""))
            await watch.read()
            watch.cancel()
            server.app.health.set_serving(is_serving)
        check = method(channel, "/grpc.health.v1.Health/Check", REQUEST, RESPONSE)
        assert (await check(request(""))).status == SERVING
    assert [each.getMessage() for each in caplog.records if each.name.startswith("gaal")] == []
