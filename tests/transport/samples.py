"""The component code and the messages of the transport's tests."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message as Proto

from gaal.protocols.descriptors import message_class, pool

ECHO = """
class Model:
    def predict(self, X, names=None, meta=None):
        return X
"""

SLOW = """
import asyncio

started = asyncio.Event()
cancelled = asyncio.Event()

class Model:
    async def predict(self, X, names=None, meta=None):
        started.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return X
"""

TWO_DEPLOYMENTS = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: one, namespace: here}
spec:
  predictors: [{name: main, graph: {name: first, implementation: SIMPLE_MODEL}}]
---
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: two, namespace: there}
spec:
  predictors: [{name: main, graph: {name: second, implementation: SIMPLE_MODEL}}]
"""

PAYLOADS: dict[str, dict[str, Any]] = {
    "tensor": {"data": {"names": ["a", "b"], "tensor": {"shape": [1, 2], "values": [1.5, 2]}}},
    "ndarray": {"data": {"names": ["a", "b"], "ndarray": [[1.5, 2]]}},
    "tftensor": {
        "data": {"tftensor": {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "2"}]}, "floatVal": [1.5, 2]}}
    },
    "binData": {"binData": "AAH/"},
    "strData": {"strData": "grüße <&>"},
    "jsonData": {"jsonData": {"a": [1, None, True, "x"]}},
    "customData": {"customData": {"@type": "type.googleapis.com/seldon.protos.Status", "code": 7}},
}
"""A request of each kind. With ECHO the reply has the same payload."""


def seldon_message(value: dict[str, Any]) -> Proto:
    return ParseDict(value, message_class("seldon.protos.SeldonMessage")(), descriptor_pool=pool())
