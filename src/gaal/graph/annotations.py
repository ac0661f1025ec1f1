"""Annotations are written at three places of a document; the innermost one that has a key counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gaal.graph import schema
from gaal.graph.places import place

COMPONENT = "gaal.dev/component."
PLACEMENT = "gaal.dev/placement."
REPLICAS = "gaal.dev/replicas."
IDEMPOTENT = "gaal.dev/idempotent."
HANG_TIMEOUT = "gaal.dev/hang-timeout."
PROTOCOL = "gaal.dev/protocol."
BATCH = "gaal.dev/batch."
THREADS = "gaal.dev/threads."
QUEUE = "gaal.dev/queue."
TLS = "gaal.dev/tls."
TLS_CA = "gaal.dev/tls-ca."
REST_TIMEOUT = "seldon.io/rest-timeout"
GRPC_TIMEOUT = "seldon.io/grpc-timeout"
NO_ENGINE = "seldon.io/no-engine"
SERVICE_NAME = "seldon.io/svc-name"


OF_WORKERS = (REPLICAS, IDEMPOTENT, HANG_TIMEOUT)
OF_CALLS = (BATCH, THREADS, QUEUE)
OF_A_UNIT = (COMPONENT, PLACEMENT, *OF_WORKERS, *OF_CALLS, TLS, TLS_CA, PROTOCOL)
"""The keys that go on with the name of a unit."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """The value of a key, and the place where it stands."""

    value: str
    path: str


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotations that hold at one place of a document, innermost first, each layer with its own place."""

    layers: tuple[tuple[str, Mapping[str, str]], ...]

    def get(self, key: str) -> Annotation | None:
        for path, layer in self.layers:
            if key in layer:
                return Annotation(layer[key], place(path, key))
        return None


def of_document(document: schema.Document) -> Annotations:
    """What holds for the whole deployment."""
    return Annotations(
        (("spec.annotations", document.spec.annotations), ("metadata.annotations", document.metadata.annotations))
    )


def of_predictor(document: schema.Document, index: int) -> Annotations:
    """What holds for one predictor and its units."""
    inner = (place("spec.predictors", index, "annotations"), document.spec.predictors[index].annotations)
    return Annotations((inner, *of_document(document).layers))
