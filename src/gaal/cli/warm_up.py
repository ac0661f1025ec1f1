"""Requests that a model is tried with before anybody else may ask it: a file beside it, `warmup.json`.

It holds one request in the Seldon protocol, or a list of them. A model that cannot answer them is not served.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gaal.components.model_uri import is_remote
from gaal.errors import ComponentLoadError, GaalError, MessageError
from gaal.executor.deployment import RunningDeployment
from gaal.graph.deployment import Deployment, PredictiveUnit
from gaal.messages import Message
from gaal.protocols import seldon_json
from gaal.protocols.json_text import parse

IN_FOLDER = "warmup.json"
BESIDE_FILE = ".warmup.json"


async def started(running: RunningDeployment) -> None:
    """Load a deployment, and try it with the requests that are given. Raises ComponentLoadError."""
    await running.start()
    deployment = running.deployment
    try:
        await running.warm_up(given_requests(deployment))
    except ComponentLoadError:
        raise
    except GaalError as error:
        raise ComponentLoadError(deployment.predictors[0].graph.name, f"a request to warm up: {error}") from error


def given_requests(deployment: Deployment) -> Sequence[Message]:
    """The requests beside the model of a deployment that is one model. Raises ComponentLoadError if they are none."""
    unit = deployment.predictors[0].graph
    file = _file(unit)
    if file is None or unit.children or not file.is_file():
        return ()
    try:
        given = parse(file.read_bytes())
        requests = given if isinstance(given, list) else [given]
        return [seldon_json.message_of(each) for each in requests]
    except (MessageError, OSError) as error:
        raise ComponentLoadError(unit.name, f"{file}: must hold a request, or a list of them: {error}") from None


def _file(unit: PredictiveUnit) -> Path | None:
    if not unit.model_uri or is_remote(unit.model_uri):
        return None
    path = Path(unit.model_uri.removeprefix("file://"))
    return path / IN_FOLDER if path.is_dir() else path.with_name(f"{path.stem}{BESIDE_FILE}")
