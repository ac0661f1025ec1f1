"""From a unit of the document to the node that stands there: find the code, read the parameters, make the node."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from gaal.components import import_names
from gaal.components.boundary import last_line
from gaal.components.builtin import make_built_in
from gaal.components.model_uri import ModelStore, default_cache
from gaal.components.user_class import UserClass
from gaal.errors import ComponentLoadError
from gaal.executor.events import RecordMetrics
from gaal.executor.node import Node
from gaal.graph import names
from gaal.graph.deployment import Placement, PredictiveUnit
from gaal.graph.parameters import typed

logger = logging.getLogger("gaal.components")


class ComponentLoader:
    """Makes the nodes of a graph. User modules are looked for in `app_dir` first, then where Python looks.

    `max_reply_bytes` is the most that a remote unit may answer with, `models` says where model files come from.
    """

    def __init__(
        self,
        app_dir: Path,
        generator: Random,
        max_reply_bytes: int = 64 * 1024 * 1024,
        models: ModelStore | None = None,
    ) -> None:
        self._models = models or ModelStore(default_cache(os.environ))
        self._app_dir = app_dir
        self._generator = generator
        self._max_reply_bytes = max_reply_bytes
        self._environment: dict[str, str] = {}
        self._inherited = dict(os.environ)

    def make_node(self, unit: PredictiveUnit, recorder: Callable[[str], RecordMetrics]) -> Node:
        """The node of a unit, not yet started. Raises ComponentLoadError."""
        parameters = typed(unit.parameters)
        if unit.endpoint is not None:
            from gaal.components.remote import remote_unit

            return remote_unit(unit, unit.endpoint, self._max_reply_bytes)
        if unit.placement is Placement.WORKER:
            from gaal.components.worker import WorkerUnit  # brings grpcio, which no other placement needs

            return WorkerUnit(unit, self._app_dir, self._inherited, recorder, self._models)
        if unit.component is None and unit.implementation in names.SERVED_HERE:
            from gaal.components.model_servers.unit import model_unit

            self._set_environment(unit)
            return model_unit(unit, parameters, recorder, self._models)
        if unit.component is None:
            return make_built_in(unit, parameters, self._generator)
        self._set_environment(unit)
        if unit.implementation != names.UNKNOWN_IMPLEMENTATION:
            from gaal.components.custom_server import CustomServerUnit

            found = self._server_class(unit, unit.component)
            return CustomServerUnit(unit, found, parameters, recorder, self._models)
        return UserClass(unit, self.component_class(unit.name, unit.component), parameters, recorder)

    def _server_class(self, unit: PredictiveUnit, name: str) -> Callable[..., Any]:
        """The class of a server by configuration. Raises ComponentLoadError, with what installs it."""
        try:
            return self.component_class(unit.name, name)
        except ComponentLoadError as error:
            installs = f": pip install '{unit.extra}'" if unit.extra else ""
            if not isinstance(error.__cause__, ImportError):
                installs = ""
            raise ComponentLoadError(unit.name, f"{unit.implementation}: {error.what}{installs}") from error

    def _set_environment(self, unit: PredictiveUnit) -> None:
        """Set the variables of the unit's container. Units in one process share them, so the first one wins."""
        for name, value in unit.env.items():
            if self._environment.setdefault(name, value) != value:
                logger.warning(
                    'unit "%s": %s stays %r, as another unit has it; units of one process share their environment',
                    unit.name,
                    name,
                    self._environment[name],
                )
            os.environ[name] = self._environment[name]

    def component_class(self, unit: str, name: str) -> Callable[..., Any]:
        """What `pkg.mod:Class`, `pkg.mod.Class` or `Module` names. Raises ComponentLoadError."""
        import_names.install()
        folder = str(self._app_dir.resolve())
        if folder not in sys.path:
            sys.path.insert(0, folder)
        module_name, class_name = split_name(name)
        try:
            module = importlib.import_module(module_name)
        except (Exception, SystemExit) as error:
            raise ComponentLoadError(unit, f"{name}: {last_line(error)}") from error
        try:
            component_class: Callable[..., Any] = getattr(module, class_name)
        except AttributeError:
            raise ComponentLoadError(
                unit, f"{name}: module {module_name} has no {class_name}{_hint(dir(module), class_name)}"
            ) from None
        if not callable(component_class):
            raise ComponentLoadError(unit, f"{name}: {class_name} is a {type(component_class).__name__}, not a class")
        return component_class


def split_name(name: str) -> tuple[str, str]:
    """Module and class of `pkg.mod:Class`, `pkg.mod.Class`, or `Module`, whose class has the module's name."""
    if ":" in name:
        module, _, class_name = name.partition(":")
        return module, class_name
    module, _, class_name = name.rpartition(".")
    return module or name, class_name


def _hint(names: Sequence[str], wanted: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(wanted, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""
