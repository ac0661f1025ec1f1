"""The gRPC server of a microservice: both names of the service, and health."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from seldon.microservice.health import add_health_to_server
from seldon.microservice.rpc import RpcClassifier
from seldon.rpc.seldon_pb2 import add_ClassifierServicer_to_server, add_SeldonServicer_to_server
from seldon.rpc.services import CLASSIFIER, SELDON

logger = logging.getLogger("seldon.microservice")

WORKER_THREADS = 10
GRACE_S = 5.0
"""How long a call that is under way has, when the server is stopped."""

OPTIONS = [
    ("grpc.so_reuseport", 0),  # a port that another server has is an error, not shared with it
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
]


@contextmanager
def rpc_server(servicer: RpcClassifier, host: str, port: int) -> Iterator[tuple[grpc.Server, int]]:
    """A server that runs, with its port, until the end of the block. Raises RuntimeError if the port is taken."""
    server = grpc.server(ThreadPoolExecutor(WORKER_THREADS, "rpc"), options=OPTIONS)
    add_ClassifierServicer_to_server(servicer, server)
    add_SeldonServicer_to_server(servicer, server)
    add_health_to_server(server, ("", CLASSIFIER, SELDON))
    bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    server.start()
    logger.info("the model listens on %s:%s", host, bound)
    try:
        yield server, bound
    finally:
        server.stop(GRACE_S).wait()
