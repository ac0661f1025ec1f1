"""The metadata of a whole graph, from that of its units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gaal.executor.plan import IMPLIED_TYPE
from gaal.graph.deployment import PredictiveUnit, UnitType
from gaal.messages import GraphMetadata, Json, ModelMetadata

Edge: TypeAlias = Sequence[Mapping[str, Json]]


def graph_metadata(name: str, graph: PredictiveUnit, models: Mapping[str, ModelMetadata]) -> GraphMetadata:
    inputs, outputs = _edges(graph, models)
    return GraphMetadata(name=name, models=models, inputs=inputs, outputs=outputs)


def _edges(unit: PredictiveUnit, models: Mapping[str, ModelMetadata]) -> tuple[Edge, Edge]:
    """What goes into and comes out of a unit with all below it. Of several children, the first one speaks.

    Source: the orchestrator's rules, by type of unit.
    """
    own = models[unit.name]
    if not unit.children:
        return own.inputs, own.outputs
    inputs, outputs = _edges(unit.children[0], models)
    match IMPLIED_TYPE.get(unit.implementation, unit.type):
        case UnitType.MODEL | UnitType.TRANSFORMER:
            return own.inputs, outputs
        case UnitType.OUTPUT_TRANSFORMER | UnitType.COMBINER:
            return inputs, own.outputs
        case UnitType.ROUTER:
            return inputs, outputs
        case _:
            return (), ()
