"""The microservices that strategies name, each as a deployment of one unit."""

from __future__ import annotations

import ssl
from dataclasses import replace
from functools import partial
from random import Random
from urllib.parse import urlsplit

from gaal.components.microservice_addresses import FindProcesses, MicroserviceAddress
from gaal.executor.deployment import RunningDeployment
from gaal.executor.events import Listener
from gaal.executor.node import Node
from gaal.gateway.microservice_book import MicroserviceBook
from gaal.gateway.predict_algs import RestServer, RpcServer
from gaal.gateway.strategies import MakeDeployment
from gaal.graph.deployment import Deployment, single


def maker(book: MicroserviceBook, listener: Listener, max_reply_bytes: int) -> MakeDeployment:
    """Makes them, over the processes that the book knows, else over the hosts of their names."""

    def make(client: str, server: RpcServer | RestServer) -> RunningDeployment:
        return RunningDeployment(_deployment(client, server.name), lambda *_: node(client, server), listener, Random())

    def node(client: str, server: RpcServer | RestServer) -> Node:
        processes = partial(book.of, client, server.host)
        if isinstance(server, RpcServer):
            return _rpc_unit(server, processes, max_reply_bytes)
        return _rest_unit(server, client, processes, max_reply_bytes)

    return make


def _rpc_unit(server: RpcServer, processes: FindProcesses, max_reply_bytes: int) -> Node:
    from gaal.components.classifier_grpc import ClassifierGrpcUnit  # brings grpcio along

    address = MicroserviceAddress(server.host, server.port, processes)
    return ClassifierGrpcUnit(server.name, address, max_reply_bytes=max_reply_bytes)


def _rest_unit(server: RestServer, client: str, processes: FindProcesses, max_reply_bytes: int) -> Node:
    from gaal.components.classifier_rest import ClassifierRestUnit  # brings aiohttp along

    url = urlsplit(server.url)
    is_tls = url.scheme == "https"
    return ClassifierRestUnit(
        server.name,
        MicroserviceAddress(server.host, url.port or (443 if is_tls else 80), processes),
        path=url.path or "/",
        client=client,
        max_reply_bytes=max_reply_bytes,
        tls=ssl.create_default_context() if is_tls else None,
    )


def _deployment(client: str, name: str) -> Deployment:
    deployment = single(name, "")
    [predictor] = deployment.predictors
    bare = replace(predictor, graph=replace(predictor.graph, component=None, identity={}))
    return replace(deployment, namespace=client, predictors=(bare,))
