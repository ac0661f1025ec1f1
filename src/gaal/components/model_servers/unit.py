"""A model server at a unit: the component that a user would have written around the model.

`PackagedModel` is that component. All the rest, threads, metadata, feedback, metrics, health and batching, is what
every user's class has.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gaal.components.batching import Bounds, split_rows
from gaal.components.boundary import last_line
from gaal.components.model_servers.kinds import SERVERS, model_file
from gaal.components.model_servers.server import BadFeatures, ModelError, ModelServer, Prediction
from gaal.components.model_uri import ModelStore, ModelUriError, shown
from gaal.components.replies import payload_of
from gaal.components.user_class import UserClass
from gaal.errors import ComponentLoadError, GaalError, GraphError, MessageError
from gaal.executor.events import RecordMetrics
from gaal.graph import text
from gaal.graph.deployment import PredictiveUnit
from gaal.messages import Kind, Message, Payload
from gaal.protocols import model_metadata

logger = logging.getLogger("gaal.components")

_LOADING = threading.Lock()

_TYPES = {int: "INT", str: "STRING"}

METADATA_FILES = ("metadata.yaml", "metadata.yml")


def model_unit(
    unit: PredictiveUnit,
    parameters: Mapping[str, Any],
    recorder: Callable[[str], RecordMetrics],
    store: ModelStore,
) -> ModelUnit:
    """The node of a unit with a prepackaged server, not yet started. Raises ComponentLoadError."""
    return ModelUnit(unit, partial(PackagedModel, unit, store), parameters, recorder)


class PackagedModel:
    """A model as a component: `load` fetches and loads it, `predict` answers rows. Raises ComponentLoadError."""

    batch = True

    def __init__(self, unit: PredictiveUnit, store: ModelStore, **parameters: Any) -> None:
        self._unit = unit
        self._store = store
        self._uri = unit.model_uri or str(parameters.get("model_uri", ""))
        given = {name: value for name, value in parameters.items() if name != "model_uri"}
        self.server = self._made(SERVERS[unit.implementation], given)

    def load(self) -> None:
        try:
            path = self._store.fetch(self._uri, self._unit.env_secret)
            file = model_file(path, type(self.server))
            self._store.check_pickle(file, self._uri, always=self.server.is_pickle)
            self._folder = file.parent
            with _warnings_logged(file):
                self.server.load(file)
        except (ModelError, ModelUriError) as error:
            raise self._error(str(error)) from error
        except MemoryError as error:
            raise self._error(f"{shown(self._uri)}: the model needs more memory than there is") from error
        except GaalError:
            raise
        except Exception as error:
            raise self._error(f"{shown(self._uri)}: cannot be loaded: {last_line(error)}") from error
        if self.server.idle_warning:
            warnings.filterwarnings("ignore", message=self.server.idle_warning)
        if not self.server.is_row_wise:
            self.batch = False

    def release(self) -> None:
        """Let go of the model. What is loaded before the server is ready is never looked at by the collector."""
        vars(self).pop("server", None)

    def init_metadata(self) -> dict[str, Any]:
        """What the model says of itself, under what `metadata.yaml` beside it says."""
        file = next((self._folder / name for name in METADATA_FILES if (self._folder / name).is_file()), None)
        try:
            written = {} if file is None else _mapping(file)
            model_metadata.merged(self._unit.image, self.server.metadata(), written)
        except GaalError as error:
            raise self._error(f"{file or shown(self._uri)}: {error}") from error
        return {**self.server.metadata(), **written}

    def prepared(self, payload: Payload) -> tuple[Any, Sequence[str]]:
        """The features of a request as the model takes them. Raises BadFeatures."""
        return self.server.prepared(self._features(payload), payload.names)

    def predict(self, features: Any, names: Sequence[str]) -> Prediction:
        """The answer to prepared features. Raises BadFeatures."""
        try:
            return self.server.predict(features, names)
        except self.server.refusals as error:
            raise BadFeatures(f"the model refuses the rows: {_first_line(error)}") from error

    def _features(self, payload: Payload) -> Any:
        if not payload.kind.is_data:
            return payload.value
        if self.server.inputs.dtype is object and isinstance(payload.value, list):
            return _mixed(payload)
        return payload.array

    def _made(self, server: type[ModelServer], parameters: Mapping[str, Any]) -> ModelServer:
        for name, value in parameters.items():
            if name not in server.parameters:
                known = ", ".join(("model_uri", *server.parameters))
                raise self._error(f"there is no parameter {name}: those of this server are {known}")
            if not isinstance(value, server.parameters[name]):
                raise self._error(f"parameter {name}: must be of type {_TYPES[server.parameters[name]]}, got {value!r}")
        return server(**parameters)

    def _error(self, what: str) -> ComponentLoadError:
        return ComponentLoadError(self._unit.name, f"{self._unit.implementation}: {what}")


class ModelUnit(UserClass):
    """The node of a unit with a prepackaged server."""

    async def close(self) -> None:
        await super().close()
        if isinstance(component := getattr(self, "_component", None), PackagedModel):
            component.release()

    def _features_of(self, message: Message) -> tuple[Any, Sequence[str]]:
        if message.payload is None:
            raise BadFeatures("expected data, got a message without any")
        prepared: tuple[Any, Sequence[str]] = self._component.prepared(message.payload)
        return prepared

    def _split_data(self, data: Any, bounds: Bounds) -> list[Any] | None:
        if not isinstance(data, Prediction):
            return super()._split_data(data, bounds)
        parts = split_rows(data.value, bounds)
        return None if parts is None else [Prediction(part, data.names) for part in parts]

    def _payload(self, returned: Any, asked: Payload | None) -> Payload:
        if not isinstance(returned, Prediction):
            return super()._payload(returned, asked)
        names = returned.names
        if isinstance(returned.value, dict):
            return _of_arrays(returned.value, asked)
        return payload_of(returned.value, asked, None if names is None else lambda: names)


@contextmanager
def _warnings_logged(file: Path) -> Iterator[None]:
    """What a library warns of while it loads a model, such as another version of its own, goes to the log.

    One model after the other: warnings belong to the whole process.
    """
    with _LOADING, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        logger.warning("%s: %s", file, warning.message)


def _of_arrays(arrays: Mapping[str, Any], asked: Payload | None) -> Payload:
    """Arrays by name: as such to who sent such, else as JSON."""
    if asked is not None and asked.kind is Kind.TENSORS:
        return Payload(Kind.TENSORS, {name: np.asarray(value) for name, value in arrays.items()})
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in arrays.items()}
    return Payload(Kind.JSON_DATA, plain)


def _mapping(file: Path) -> Mapping[str, Any]:
    try:
        documents = text.parse(text.read_text(file, file.name), file.name)
    except GraphError as error:
        raise MessageError(str(error.violations[0])) from None
    if len(documents) != 1 or not isinstance(documents[0], Mapping):
        raise MessageError("the file must hold one mapping")
    return documents[0]


def _mixed(payload: Payload) -> Any:
    """Rows of values of several types, each as it came: `array` would make texts of all of them."""
    try:
        return np.array(payload.value, dtype=object)
    except ValueError:  # ragged
        return payload.array


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
