"""What the process of a unit is told before anything else, as one line of JSON: the unit, and where things are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gaal.components.model_uri import ModelStore
from gaal.graph.deployment import Calls, Method, Parameter, PredictiveUnit, UnitType


@dataclass(frozen=True, slots=True)
class Orders:
    """`socket` is where to serve, `parent` the process without which there is nobody to serve.

    `hang_timeout_s` is how long a call that nobody waits for any more may keep the unit's thread; None is for ever.
    """

    unit: PredictiveUnit
    app_dir: Path
    socket: Path
    parent: int
    log_level: int
    hang_timeout_s: float | None
    models: ModelStore

    def encode(self) -> bytes:
        told = {
            "unit": _object_of(self.unit),
            "app_dir": str(self.app_dir),
            "socket": str(self.socket),
            "parent": self.parent,
            "log_level": self.log_level,
            "hang_timeout_s": self.hang_timeout_s,
            "models": {
                "cache": str(self.models.cache),
                "volumes": {name: str(folder) for name, folder in self.models.volumes.items()},
                "allows_pickle": self.models.allows_pickle,
            },
        }
        return orjson.dumps(told)

    @classmethod
    def decode(cls, line: bytes) -> Orders:
        told: dict[str, Any] = orjson.loads(line)
        return cls(
            _unit_of(told["unit"]),
            Path(told["app_dir"]),
            Path(told["socket"]),
            told["parent"],
            told["log_level"],
            told["hang_timeout_s"],
            _store_of(told["models"]),
        )


def _object_of(unit: PredictiveUnit) -> dict[str, Any]:
    """What a process needs to know of its unit: of the children, that they are there. Its env it already has."""
    return {
        "name": unit.name,
        "type": unit.type.value,
        "implementation": unit.implementation,
        "methods": [each.value for each in unit.methods],
        "children": [each.name for each in unit.children],
        "parameters": [[each.name, each.value, each.type] for each in unit.parameters],
        "component": unit.component,
        "image": unit.image,
        "model_uri": unit.model_uri,
        "env_secret": unit.env_secret,
        "extra": unit.extra,
        "calls": [unit.calls.max_batch_rows, unit.calls.n_threads, unit.calls.max_waiting],
    }


def _unit_of(told: dict[str, Any]) -> PredictiveUnit:
    return PredictiveUnit(
        name=told["name"],
        type=UnitType(told["type"]),
        implementation=told["implementation"],
        methods=frozenset(Method(each) for each in told["methods"]),
        children=tuple(_child(name) for name in told["children"]),
        parameters=tuple(Parameter(*each) for each in told["parameters"]),
        component=told["component"],
        image=told["image"],
        model_uri=told["model_uri"],
        env_secret=told["env_secret"],
        extra=told["extra"],
        calls=Calls(*told["calls"]),
    )


def _store_of(told: dict[str, Any]) -> ModelStore:
    """Where models come from. The variables with the credentials are those of the process."""
    volumes = {name: Path(folder) for name, folder in told["volumes"].items()}
    return ModelStore(Path(told["cache"]), volumes, told["allows_pickle"])


def _child(name: str) -> PredictiveUnit:
    return PredictiveUnit(name, UnitType.UNKNOWN_TYPE, "UNKNOWN_IMPLEMENTATION", frozenset())
