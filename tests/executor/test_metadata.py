"""What goes into and comes out of a graph, by the type of each unit on its edge."""

from __future__ import annotations

from typing import Any

import pytest

from gaal.executor.metadata import graph_metadata
from gaal.graph.deployment import PredictiveUnit, UnitType
from gaal.messages import ModelMetadata


def unit(name: str, unit_type: UnitType, *children: PredictiveUnit, implementation: str = "") -> PredictiveUnit:
    return PredictiveUnit(name, unit_type, implementation, frozenset(), children)


def edges(graph: PredictiveUnit) -> tuple[Any, Any]:
    models = {
        each.name: ModelMetadata(
            each.name, inputs=[{"messagetype": f"{each.name}-in"}], outputs=[{"messagetype": f"{each.name}-out"}]
        )
        for each in graph.walk()
    }
    metadata = graph_metadata("p", graph, models)
    return tuple(each["messagetype"] for each in metadata.inputs), tuple(
        each["messagetype"] for each in metadata.outputs
    )


MODEL_A = unit("a", UnitType.MODEL)
MODEL_B = unit("b", UnitType.MODEL)


@pytest.mark.parametrize(
    ("unit_type", "inputs", "outputs"),
    [
        (UnitType.MODEL, "x-in", "a-out"),
        (UnitType.TRANSFORMER, "x-in", "a-out"),
        (UnitType.OUTPUT_TRANSFORMER, "a-in", "x-out"),
        (UnitType.COMBINER, "a-in", "x-out"),
        (UnitType.ROUTER, "a-in", "a-out"),
    ],
)
def test_the_edges_of_a_unit_with_children(unit_type: UnitType, inputs: str, outputs: str) -> None:
    assert edges(unit("x", unit_type, MODEL_A, MODEL_B)) == ((inputs,), (outputs,))


def test_a_leaf_has_its_own_edges() -> None:
    assert edges(MODEL_A) == (("a-in",), ("a-out",))


def test_a_unit_that_is_nothing_in_particular_has_none() -> None:
    assert edges(unit("x", UnitType.UNKNOWN_TYPE, MODEL_A)) == ((), ())


def test_a_built_in_counts_as_what_it_is() -> None:
    average = unit("x", UnitType.UNKNOWN_TYPE, MODEL_A, implementation="AVERAGE_COMBINER")
    assert edges(average) == (("a-in",), ("x-out",))


def test_edges_follow_the_first_child_all_the_way_down() -> None:
    graph = unit("r", UnitType.ROUTER, unit("t", UnitType.TRANSFORMER, MODEL_A), MODEL_B)
    assert edges(graph) == (("t-in",), ("a-out",))
