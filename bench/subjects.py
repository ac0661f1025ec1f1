"""What is measured: Gaal's model servers with batching and without, and the peers with one model that all serve."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import iris_models
import wires
from pinned import pinned
from serving import free_port
from wires import Wire

PEER_FOLDER = Path(__file__).parent / "peers"
BATCH_ROWS = 64
"""How many rows a peer joins at most, as Gaal does."""

DOCUMENT = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {{name: iris}}
spec:
  annotations: {{gaal.dev/batch.classifier: {batch}}}
  predictors:
  - name: default
    graph: {{name: classifier, implementation: {implementation}, modelUri: "{uri}", parameters: {parameters}}}
"""
PROBABILITIES = "[{name: method, type: STRING, value: predict_proba}]"


@dataclass(frozen=True)
class Running:
    """A server that was started: the port of each protocol, its process, and where its log is."""

    rest_port: int
    grpc_port: int
    server: subprocess.Popen[bytes]
    log: Path

    def port(self, wire: Wire) -> int:
        return self.grpc_port if wire.grpc else self.rest_port


Start: TypeAlias = Callable[[], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Subject:
    """A server that is measured. `wires` says under which name of a wire each of its own is compared."""

    name: str
    start: Start
    wires: Mapping[str, Wire]


@dataclass(frozen=True)
class Peer:
    """Another server: the folder of its code, which is the name of its environment too, and how it is asked."""

    folder: str
    label: str
    wires: Mapping[str, Wire]
    batches: bool = False
    """Whether it is started with batching: for Triton that is its only way."""


V2 = {each.name: each for each in (wires.V2_REST, wires.V2_GRPC)}
PEERS = (
    Peer("triton", "Triton, Python backend, batching", V2, batches=True),
    Peer("mlserver", "MLServer", V2),
    Peer("mlserver", "MLServer, batching", V2, batches=True),
    Peer("kserve", "KServe, Python server", V2),
    Peer(
        "seldoncore",
        "Seldon Core wrapper",
        {wires.SELDON_REST.name: wires.SELDON_REST, wires.SELDON_GRPC.name: wires.MODEL_GRPC},
    ),
    Peer("litserve", "LitServe", {wires.SELDON_REST.name: wires.PREDICT_REST}),
    Peer("litserve", "LitServe, batching", {wires.SELDON_REST.name: wires.PREDICT_REST}, batches=True),
    Peer("bentoml", "BentoML", {wires.SELDON_REST.name: wires.PREDICT_REST}),
    Peer("bentoml", "BentoML, batching", {wires.SELDON_REST.name: wires.ROWS_REST}, batches=True),
    Peer("ray", "Ray Serve", {wires.SELDON_REST.name: wires.ROOT_REST}),
    Peer("ray", "Ray Serve, batching", {wires.SELDON_REST.name: wires.ROOT_REST}, batches=True),
)

SKLEARN = "SKLEARN_SERVER"
UNBATCHED = ", batch off"


def of_gaal(folder: Path, say: Callable[[str], None]) -> list[Subject]:
    """Each model server of which the library is there, with batching and without."""
    found = []
    for implementation, make in iris_models.MAKERS.items():
        try:
            model = make(folder)
        except ImportError as error:
            say(f"{implementation} is left out: {error}")
            continue
        for suffix, batch in (("", "max=64"), (UNBATCHED, '"off"')):
            text = DOCUMENT.format(
                batch=batch,
                implementation=implementation,
                uri=model,
                parameters=PROBABILITIES if implementation == SKLEARN else "[]",
            )
            document = folder / f"{implementation}{'-off' if suffix else ''}.yaml"
            document.write_text(text)
            start = partial(_gaal, document, folder)
            found.append(Subject(implementation + suffix, start, {wire.name: wire for wire in wires.WIRES}))
    return found


@contextmanager
def _gaal(document: Path, folder: Path) -> Iterator[Running]:
    port, log = free_port(), folder / "gaal.log"
    command = [sys.executable, "-m", "gaal", "serve", str(document), "--port", str(port)]
    with pinned(command, folder, {}, log) as server:
        yield Running(port, port, server, log)


def of_peers(environments: Path | None, folder: Path, say: Callable[[str], None]) -> list[Subject]:
    """The peers whose environments are there, below `environments`."""
    found = []
    for peer in PEERS:
        python = environments / peer.folder / "bin" / "python" if environments else None
        if python is None or not python.exists():
            say(f"{peer.label} is left out: no {python or 'folder of environments, see bench/peers/README.md'}")
        elif model := _trained(peer, python, folder, say):
            found.append(Subject(peer.label, partial(_peer, peer, python, model, folder), peer.wires))
    return found


def _trained(peer: Peer, python: Path, folder: Path, say: Callable[[str], None]) -> Path | None:
    """A pickle of scikit-learn is for the version that wrote it, so each environment trains its own."""
    model = folder / f"{peer.folder}.joblib"
    command = [str(python), str(PEER_FOLDER / "train.py"), str(model)]
    if model.exists() or subprocess.run(command, capture_output=True).returncode == 0:
        return model
    say(f"{peer.label} is left out: its environment has no scikit-learn")
    return None


@contextmanager
def _peer(peer: Peer, python: Path, model: Path, folder: Path) -> Iterator[Running]:
    ports: dict[str, Any] = {name: free_port() for name in ("HTTP_PORT", "GRPC_PORT", "METRICS_PORT")}
    variables = {name: str(port) for name, port in ports.items()}
    variables |= {"MODEL": str(model), "BATCH": str(BATCH_ROWS if peer.batches else 0), "PYTHONPATH": ""}
    variables["PATH"] = f"{python.parent}:/usr/local/bin:/usr/bin:/bin"
    log = folder / f"{peer.folder}.log"
    with pinned([str(python), "serve.py"], PEER_FOLDER / peer.folder, variables, log) as server:
        yield Running(ports["HTTP_PORT"], ports["GRPC_PORT"], server, log)
