"""One row of iris, 5.1 3.5 1.4 0.2, as each protocol asks for it, and whether what comes back answers it."""

from __future__ import annotations

import json
import struct
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import grpc
from load import JSON_BODY, grpc_body

ROW = (5.1, 3.5, 1.4, 0.2)


@dataclass(frozen=True)
class Wire:
    """A request: where it goes and what it says. The body of a gRPC request has its frame, five bytes, before it."""

    name: str
    path: str
    body: bytes
    grpc: bool = False

    def ask(self, port: int, timeout_s: float = 10) -> bytes:
        """The reply to one request, without a frame. Raises OSError or grpc.RpcError."""
        return self._call(port, timeout_s) if self.grpc else self._post(port, timeout_s)

    def _post(self, port: int, timeout_s: float) -> bytes:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{self.path}", self.body, headers)
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:
            body: bytes = reply.read()
            return body

    def _call(self, port: int, timeout_s: float) -> bytes:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            reply: bytes = channel.unary_unary(self.path, bytes, bytes)(self.body[5:], timeout=timeout_s)
            return reply

    def answers(self, reply: bytes) -> bool:
        """Whether somewhere in a reply stand the three probabilities of a flower that surely is a setosa."""
        triples = binary_triples(reply) if self.grpc else json_triples(reply)
        return any(0.9 < a <= 1 and 0 <= b < 0.1 and 0 <= c < 0.1 and abs(a + b + c - 1) < 1e-3 for a, b, c in triples)


def json_triples(reply: bytes) -> Iterator[tuple[float, ...]]:
    """Every three numbers that stand one after the other."""
    numbers = list(_numbers(json.loads(reply)))
    return zip(numbers, numbers[1:], numbers[2:], strict=False)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
    elif isinstance(value, int | float):
        yield value


def binary_triples(reply: bytes) -> Iterator[tuple[float, ...]]:
    """Every three doubles and every three floats that the bytes may mean, wherever they begin."""
    for form in ("<3d", "<3f"):
        for start in range(len(reply) - struct.calcsize(form) + 1):
            yield struct.unpack_from(form, reply, start)


def open_inference_json() -> bytes:
    tensor = {"name": "x", "shape": [1, len(ROW)], "datatype": "FP64", "data": ROW}
    return json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode()


def open_inference_raw() -> bytes:
    """A framed ModelInferRequest with raw contents, written from the protocol's field numbers."""
    tensor = _field(1, b"x") + _field(2, b"FP64") + _field(3, bytes([1, len(ROW)]))
    message = _field(1, b"iris") + _field(5, tensor) + _field(7, struct.pack("<4d", *ROW))
    return b"\0" + struct.pack(">I", len(message)) + message


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2, len(payload)]) + payload


SELDON_REST = Wire("Seldon REST", "/api/v1.0/predictions", JSON_BODY.encode())
SELDON_GRPC = Wire("Seldon gRPC", "/seldon.protos.Seldon/Predict", grpc_body(), grpc=True)
V2_REST = Wire("V2 REST", "/v2/models/iris/infer", open_inference_json())
V2_GRPC = Wire("V2 gRPC", "/inference.GRPCInferenceService/ModelInfer", open_inference_raw(), grpc=True)
WIRES = (SELDON_REST, SELDON_GRPC, V2_REST, V2_GRPC)

MODEL_GRPC = replace(SELDON_GRPC, path="/seldon.protos.Model/Predict")
"""As a Seldon Core microservice is asked."""
PREDICT_REST = replace(SELDON_REST, path="/predict")
"""A framework without a protocol of its own reads the body of Seldon's."""
ROOT_REST = replace(SELDON_REST, path="/")
ROWS_REST = replace(PREDICT_REST, body=json.dumps({"rows": [ROW]}, separators=(",", ":")).encode())
