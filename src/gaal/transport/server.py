"""Serves one ASGI app in this worker process, on the sockets that the supervisor has bound."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import h2corn
import h2corn._lib

from gaal.errors import SettingsError, Violation
from gaal.settings import SETTINGS, ServeSettings
from gaal.transport.access_log import AccessLog
from gaal.transport.drain import ASGIApp, LastReplies, connections_closed, stop_accepting
from gaal.transport.worker import WorkerContext

logger = logging.getLogger("gaal.server")


async def serve(app: ASGIApp, context: WorkerContext, on_stop: Callable[[], None] = lambda: None) -> None:
    """Serves `app`, which is loaded, until SIGTERM, and then lets the requests under way finish.

    `on_stop` is called first of all then: what would go on for ever must end by itself.
    Raises SettingsError if the certificates are not usable, before the port opens.
    """
    await serve_all([Listening(app, context.sockets, context.settings.access_log)], context, on_stop)


class Listening(NamedTuple):
    """An app, and the sockets that it is served on."""

    app: ASGIApp
    sockets: Sequence[socket.socket]
    access_log: bool = False


async def serve_all(
    listening: Sequence[Listening], context: WorkerContext, on_stop: Callable[[], None] = lambda: None
) -> None:
    """As `serve`, for several apps, each on sockets of its own."""
    check_certificates(context.settings)
    await context.port_opened()
    replies = [LastReplies(AccessLog(each.app) if each.access_log else each.app) for each in listening]
    servers = [
        h2corn.Server(cast(Any, app), server_config(context, each.sockets))
        for app, each in zip(replies, listening, strict=True)
    ]
    silence_banner()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    serving = [asyncio.create_task(_serve(server)) for server in servers]
    for server, task in zip(servers, serving, strict=True):
        await until_started(server, task)
    context.ready()
    beside = [asyncio.create_task(_stop(servers, replies, context, stopped, on_stop))]
    if context.settings.worker_timeout_s:
        beside.append(asyncio.create_task(context.stay_alive()))
    try:
        await asyncio.gather(*serving)
    finally:
        for each in (*beside, *serving):
            each.cancel()


async def _serve(server: h2corn.Server) -> None:
    try:
        await server.serve()
    except RuntimeError as error:
        if not server.releasing:
            raise
        logger.warning("stopped with requests that did not end in time: %s", error)


def server_config(context: WorkerContext, sockets: Sequence[socket.socket] | None = None) -> h2corn.Config:
    """h2corn's settings. Sizes of messages are the app's to limit, so that the error has the protocol's own form."""
    settings = context.settings
    return h2corn.Config(
        bind=tuple(f"fd://{each.fileno()}" for each in (context.sockets if sockets is None else sockets)),
        grpc=True,
        lifespan="off",
        runtime_threads=1,
        max_request_body_size=0,
        access_log=False,
        certfile=settings.tls_cert,
        keyfile=settings.tls_key,
        ca_certs=settings.tls_client_ca,
        cert_reqs="required" if settings.tls_client_ca else "none",
        # 0 would be no limit.
        timeout_graceful_shutdown=max(settings.drain_timeout_s, 0.001),
    )


def check_certificates(settings: ServeSettings) -> None:
    """Raises SettingsError if the certificate, its key or the client authorities cannot be used."""
    if settings.tls_cert is None or settings.tls_key is None:
        return
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A password is never asked for: a server that waits at a prompt looks like one that hangs.
        tls.load_cert_chain(settings.tls_cert, settings.tls_key, password=b"")
    except (OSError, ValueError) as error:
        rule = f"must be a PEM certificate with the key of {SETTINGS['tls_key'].option}, not encrypted ({error})"
        raise SettingsError([Violation(SETTINGS["tls_cert"].option, rule, str(settings.tls_cert))]) from None
    try:
        if settings.tls_client_ca is not None:
            tls.load_verify_locations(settings.tls_client_ca)
    except (OSError, ValueError) as error:
        rule = f"must be a file of PEM certificates ({error})"
        raise SettingsError([Violation(SETTINGS["tls_client_ca"].option, rule, str(settings.tls_client_ca))]) from None


async def _stop(
    servers: Sequence[h2corn.Server],
    replies: Sequence[LastReplies],
    context: WorkerContext,
    stopped: asyncio.Event,
    on_stop: Callable[[], None],
) -> None:
    """Once `stopped` is set: no new connection, the last reply on those there are, then the end."""
    await stopped.wait()
    try:
        on_stop()
        ports = frozenset(each.getsockname()[1] for each in context.sockets)
        for each in replies:
            each.begin()
        stop_accepting(context.sockets)
        await connections_closed(ports)
    finally:
        for server in servers:
            server.shutdown()


async def until_started(server: h2corn.Server, serving: asyncio.Task[None]) -> None:
    """Waits until the server takes connections. Raises what kept it from starting."""
    started = asyncio.create_task(server.wait_started())
    await asyncio.wait((started, serving), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        started.cancel()
        await serving
    await started


def silence_banner() -> None:
    # The only line that says that Gaal is ready is Gaal's own, and only once all workers are. h2corn has no setting
    # for it. Should a later version call this something else, the banner is back and nothing worse.
    vars(h2corn._lib)["emit_banner"] = lambda config, tls: None
