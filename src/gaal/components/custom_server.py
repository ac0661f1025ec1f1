"""A server by configuration at a unit: a user's class that gets the model as a path in `model_uri`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gaal.components.model_uri import PICKLES, ModelStore, ModelUriError
from gaal.components.user_class import UserClass
from gaal.errors import ComponentLoadError
from gaal.executor.events import RecordMetrics
from gaal.graph.deployment import PredictiveUnit


class CustomServerUnit(UserClass):
    """The node of such a unit. The arguments beside the store are those of `UserClass`."""

    def __init__(
        self,
        unit: PredictiveUnit,
        component_class: Callable[..., Any],
        parameters: Mapping[str, Any],
        recorder: Callable[[str], RecordMetrics],
        store: ModelStore,
    ) -> None:
        super().__init__(unit, component_class, parameters, recorder)
        self._store = store
        self._uri = unit.model_uri or str(parameters.get("model_uri", ""))

    async def _load(self) -> None:
        """As that of every class, once the model is here. A unit that names none has no parameter for it."""
        if self._uri:
            path = await asyncio.to_thread(self._fetched)
            self._parameters = {**self._parameters, "model_uri": str(path)}
        await super()._load()

    def _fetched(self) -> Path:
        try:
            path = self._store.fetch(self._uri, self.unit.env_secret)
            if pickle := _first_pickle(path):
                self._store.check_pickle(pickle, self._uri, always=True)
        except ModelUriError as error:
            raise ComponentLoadError(self.unit.name, f"{self.unit.implementation}: {error}") from error
        return path


def _first_pickle(path: Path) -> Path | None:
    """Of a folder any file counts: nobody but the server knows which ones it loads."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return next((each for each in files if each.suffix in PICKLES), None)
