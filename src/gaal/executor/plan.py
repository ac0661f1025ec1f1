"""Which calls a unit gets: pure data, decided once from its type, its methods and its implementation.

Source: the walk of Seldon Core's service orchestrator. `methods` adds to what the type gives; a unit that
transforms its input is never asked to predict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gaal.graph.deployment import Method, PredictiveUnit, UnitType

IMPLIED_TYPE = {
    "SIMPLE_MODEL": UnitType.MODEL,
    "SIMPLE_ROUTER": UnitType.ROUTER,
    "RANDOM_ABTEST": UnitType.ROUTER,
    "AVERAGE_COMBINER": UnitType.COMBINER,
}
"""What a built-in is, where the document does not say."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls of one unit, in the order in which they come.

    `on_input` is the call that the message meets first, None where it passes by. `routes` and `aggregates` matter
    only for a unit with children.
    """

    on_input: Literal["predict", "transform_input"] | None
    routes: bool
    aggregates: bool
    transforms_output: bool
    takes_feedback: bool


def plan_of(unit: PredictiveUnit) -> Plan:
    kind = unit.type
    if kind is UnitType.UNKNOWN_TYPE:
        kind = IMPLIED_TYPE.get(unit.implementation, kind)
    transforms_input = kind is UnitType.TRANSFORMER or Method.TRANSFORM_INPUT in unit.methods
    on_input: Literal["predict", "transform_input"] | None = None
    if transforms_input:
        on_input = "transform_input"
    elif kind is UnitType.MODEL:
        on_input = "predict"
    return Plan(
        on_input=on_input,
        routes=kind is UnitType.ROUTER or Method.ROUTE in unit.methods,
        aggregates=kind is UnitType.COMBINER or Method.AGGREGATE in unit.methods,
        transforms_output=kind is UnitType.OUTPUT_TRANSFORMER or Method.TRANSFORM_OUTPUT in unit.methods,
        takes_feedback=kind in (UnitType.MODEL, UnitType.ROUTER) or Method.SEND_FEEDBACK in unit.methods,
    )
