"""Runs deployments in the test's own process, without a server around them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Protocol

import yaml

from gaal.components.loading import ComponentLoader
from gaal.executor.context import Context
from gaal.executor.deployment import RunningDeployment
from gaal.executor.events import Listener, Silence
from gaal.graph.load import loads
from gaal.messages import Encoding, Feedback, Message
from gaal.protocols import seldon_json, seldon_proto

MODULE = "unit_code"
"""The module that a test's component code becomes."""

CODE_OF_ANY_UNIT = """
class Add:
    '''Adds `n` to what comes in, on the way in and on the way out.'''
    def __init__(self, n=1):
        self.n = n
    def predict(self, X, names): return X + self.n
    def transform_input(self, X, names): return X + self.n
    def transform_output(self, X, names): return X + self.n

class Route:
    def __init__(self, branch=0):
        self.branch = branch
    def route(self, X, names): return self.branch

class Sum:
    def aggregate(self, Xs, names): return sum(Xs)

class Fail:
    def __init__(self, text="no"):
        self.text = text
    def predict(self, X, names): raise ValueError(self.text)

class Listen:
    '''Keeps the feedback that it hears.'''
    heard = []
    def __init__(self, name="?"):
        self.name = name
    def predict(self, X, names): return X
    def route(self, X, names): return 0
    def send_feedback(self, X, names, reward, truth, routing):
        Listen.heard.append((self.name, reward, routing))
"""


class Run(Protocol):
    """Loads a graph, given as YAML text or as a dict, over component code, and closes it when the test ends.

    `annotations` are further ones of the document; `env` and `images` say what the container of a unit has.
    """

    def __call__(
        self,
        graph: str,
        code: str = CODE_OF_ANY_UNIT,
        placement: str = "auto",
        listener: Listener | None = None,
        predictors: str = "",
        annotations: Mapping[str, str] | None = None,
        env: Mapping[str, Mapping[str, str]] | None = None,
        images: Mapping[str, str] | None = None,
    ) -> Awaitable[RunningDeployment]: ...


@asynccontextmanager
async def runner(folder: Path) -> AsyncIterator[Run]:
    async with AsyncExitStack() as stack:

        async def run(
            graph: str,
            code: str = CODE_OF_ANY_UNIT,
            placement: str = "auto",
            listener: Listener | None = None,
            predictors: str = "",
            annotations: Mapping[str, str] | None = None,
            env: Mapping[str, Mapping[str, str]] | None = None,
            images: Mapping[str, str] | None = None,
        ) -> RunningDeployment:
            (folder / f"{MODULE}.py").write_text(code)
            stack.callback(_forget, list(sys.path))
            one = [] if predictors else [_predictor(graph, env or {}, images or {})]
            document = _document(yaml.safe_load(predictors) if predictors else one, placement)
            document["spec"]["annotations"].update(annotations or {})
            [deployment] = loads(yaml.safe_dump(document), "the test's document")
            loader = ComponentLoader(folder, Random(1))
            running = RunningDeployment(deployment, loader.make_node, listener or Silence(), Random(1))
            stack.push_async_callback(running.close)
            await running.start()
            return running

        yield run


def _predictor(graph: str, env: Mapping[str, Mapping[str, str]], images: Mapping[str, str]) -> dict[str, Any]:
    containers = [
        {
            "name": name,
            "image": images.get(name, ""),
            "env": [{"name": key, "value": value} for key, value in env.get(name, {}).items()],
        }
        for name in {**env, **images}
    ]
    return {
        "name": "main",
        "graph": yaml.safe_load(graph),
        "componentSpecs": [{"spec": {"containers": containers}}],
    }


def _document(predictors: list[dict[str, Any]], placement: str) -> dict[str, Any]:
    annotations: dict[str, str] = {}
    for predictor in predictors:
        for unit in _units(predictor["graph"]):
            code = unit.pop("code", None)
            if code is not None:
                annotations[f"gaal.dev/component.{unit['name']}"] = f"{MODULE}:{code}"
                annotations[f"gaal.dev/placement.{unit['name']}"] = unit.pop("placement", placement)
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "test"},
        "spec": {"annotations": annotations, "predictors": predictors},
    }


def _units(unit: dict[str, Any]) -> list[dict[str, Any]]:
    return [unit, *(below for child in unit.get("children", []) for below in _units(child))]


def _forget(path: list[str]) -> None:
    sys.modules.pop(MODULE, None)
    sys.path[:] = path


async def predict(running: RunningDeployment, request: Any, encoding: Encoding = Encoding.JSON) -> Message:
    """The reply to a request in JSON form, which goes through protobuf first if `encoding` says so."""
    message = seldon_json.message_of(request)
    if encoding is Encoding.PROTO:
        message = seldon_proto.decode_message(seldon_proto.encode_message(message))
    context = Context("the-puid", encoding)
    return await running.predict(message, context, running.choose())


async def ask(running: RunningDeployment, request: Any, encoding: Encoding = Encoding.JSON) -> dict[str, Any]:
    """As `predict`, with the reply in JSON form."""
    return seldon_json.object_of(await predict(running, request, encoding))


async def tell(running: RunningDeployment, feedback: Any) -> dict[str, Any] | None:
    """The reply to feedback, both in JSON form."""
    told: Feedback = seldon_json.feedback_of(feedback)
    reply = await running.send_feedback(told, Context("the-puid"))
    return None if reply is None else seldon_json.object_of(reply)


def rows(*values: list[float]) -> dict[str, Any]:
    return {"data": {"ndarray": list(values)}}
