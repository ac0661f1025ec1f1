"""What a document that breaks no rule still should not say: units that nothing reaches, feedback that ends nowhere,
neighbours that do not fit, and fields that this version of Gaal does not act on.

Pure: nothing of the graph is loaded. What components declare of themselves may be handed in.
`docs/contract-tools.md` lists the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gaal.errors import GraphError, Violation
from gaal.graph import names, rules, text, unit_code
from gaal.graph.annotations import Annotations, of_predictor
from gaal.graph.deployment import Method, UnitType
from gaal.graph.edges import Declared, Edge, Tensor, declared, edges
from gaal.graph.places import place, shown
from gaal.graph.schema import Document, Predictor, Unit

UNUSED_REPLY = "the reply of this unit is thrown away: its parent neither combines nor routes"
NEVER_CHOSEN = "no request reaches this unit: its router never chooses it"
NO_TRAFFIC = "no request reaches this predictor: it has no traffic and is no shadow"
ONE_BRANCH = "a router with one child has nothing to choose"
DEAF_ROUTER = "this unit routes by code and takes no feedback, so it cannot learn: add SEND_FEEDBACK to its methods"
NO_FEEDBACK_BELOW = "a router learns above this unit, but neither it nor any unit below takes feedback"
UNREACHED_FEEDBACK = "this unit takes feedback, and none reaches it"
METADATA = "MODEL_METADATA must be a mapping with inputs and outputs in the form of metadata"
EDGE_NUMBER = "a unit must give as many tensors as the next one takes"
EDGE_KIND = "a unit must give the kind of payload that the next one takes"
EDGE_NAMES = "a unit must give the names that the next one takes"
EDGE_SHAPE = "a unit must give the shape that the next one takes"
NOT_LOADED = "the component must be found, imported and loaded"
UNSERVED_SERVER_TYPE = "this version of Gaal serves no kafka"
UNSERVED_IMPLEMENTATION = "this version of Gaal does not run this implementation"
UNSERVED_LOGGER = "this version of Gaal sends nothing to loggers"
UNSERVED_EXPLAINER = "this version of Gaal runs no explainers"

REPLACED_WARNINGS = (rules.FIRST_CHILD,)
"""Warnings of loading that a finding here says more exactly."""

MODEL_METADATA = "MODEL_METADATA"

Known = Mapping[tuple[int, str], Mapping[str, Any]]
"""The metadata that a loaded component has, in its JSON form, by the index of its predictor and its own name."""


def findings(document: Document, loaded: Known | None = None, servers: Collection[str] = ()) -> Iterator[Violation]:
    """Everything that is questionable in a document whose defaults are filled in and that breaks no rule.

    `servers` are the implementations by configuration.
    """
    yield from _unserved(document)
    several = len(document.spec.predictors) > 1
    for index, predictor in enumerate(document.spec.predictors):
        path = place("spec.predictors", index)
        assert predictor.graph is not None  # rules.REQUIRED
        graph = _as_run(predictor.graph, of_predictor(document, index))
        if several and not predictor.shadow and not predictor.traffic:
            yield Violation(place(path, "traffic"), NO_TRAFFIC, predictor.traffic)
        hears = not predictor.shadow and (not several or bool(predictor.traffic))
        yield from _unit_findings(_Spot(graph, place(path, "graph"), servers, hears_feedback=hears))
        of_units = {name: each for (at, name), each in (loaded or {}).items() if at == index}
        yield from _misfits(graph, predictor, path, of_units)


def unit_places(document: Document) -> dict[tuple[int, str], str]:
    """Where each unit stands in the document, by the index of its predictor and its own name."""
    places: dict[tuple[int, str], str] = {}

    def enter(unit: Unit, index: int, path: str) -> None:
        places[index, unit.name] = path
        for number, child in enumerate(unit.children):
            enter(child, index, place(path, "children", number))

    for index, predictor in enumerate(document.spec.predictors):
        if predictor.graph is not None:
            enter(predictor.graph, index, place("spec.predictors", index, "graph"))
    return places


def _as_run(unit: Unit, annotations: Annotations) -> Unit:
    """The unit without the implementation that an annotation replaces by code, and so for all below it."""
    by_code = unit_code.annotated(unit, annotations) is not None
    implementation = names.UNKNOWN_IMPLEMENTATION if by_code else unit.implementation
    children = [_as_run(child, annotations) for child in unit.children]
    return unit.model_copy(update={"implementation": implementation, "children": children})


# What this version does not do.


def _unserved(document: Document) -> Iterator[Violation]:
    spec = document.spec
    if spec.serverType == "kafka":
        yield Violation("spec.serverType", UNSERVED_SERVER_TYPE, spec.serverType)
    for index, predictor in enumerate(spec.predictors):
        if predictor.explainer is not None:
            yield Violation(place("spec.predictors", index, "explainer"), UNSERVED_EXPLAINER, predictor.explainer.type)


# Units.


@dataclass(frozen=True, slots=True)
class _Spot:
    """A unit where it stands. `hears_feedback` says whether any can get there."""

    unit: Unit
    path: str
    servers: Collection[str]
    hears_feedback: bool = True
    is_below_learner: bool = False

    def child(self, index: int, *, is_reached: bool) -> _Spot:
        learns = _learns(self.unit)
        path = place(self.path, "children", index)
        return _Spot(
            self.unit.children[index], path, self.servers, self.hears_feedback and is_reached, is_below_learner=learns
        )


def _unit_findings(spot: _Spot) -> Iterator[Violation]:
    yield from _unserved_fields(spot)
    yield from _feedback(spot)
    if _routes(spot.unit) and len(spot.unit.children) == 1:
        yield Violation(place(spot.path, "children"), ONE_BRANCH, spot.unit.children[0].name)
    never = _never_chosen(spot.unit)
    discards = not _routes(spot.unit) and not _does(spot.unit, UnitType.COMBINER, Method.AGGREGATE)
    for index, child in enumerate(spot.unit.children):
        below = spot.child(index, is_reached=index not in never)
        if index in never:
            yield Violation(below.path, NEVER_CHOSEN, child.name)
        elif discards and index > 0:
            yield Violation(below.path, UNUSED_REPLY, child.name)
        yield from _unit_findings(below)


def _unserved_fields(spot: _Spot) -> Iterator[Violation]:
    unit = spot.unit
    is_run = unit.implementation in (*names.SERVED_HERE, *names.SPOKEN, *spot.servers)
    if unit.implementation in names.PREPACKAGED and not is_run:
        yield Violation(place(spot.path, "implementation"), UNSERVED_IMPLEMENTATION, unit.implementation)
    if unit.logger is not None:
        yield Violation(place(spot.path, "logger"), UNSERVED_LOGGER, unit.logger.mode)


def _feedback(spot: _Spot) -> Iterator[Violation]:
    unit = spot.unit
    if _routes(unit) and _has_code(unit) and not _takes_feedback(unit):
        yield Violation(place(spot.path, "methods"), DEAF_ROUTER, list(unit.methods))
    asked_for = Method.SEND_FEEDBACK.value in unit.methods or _learns(unit)
    if asked_for and not spot.hears_feedback:
        yield Violation(spot.path, UNREACHED_FEEDBACK, unit.name)
    if spot.is_below_learner and not _any_takes_feedback(unit):
        yield Violation(spot.path, NO_FEEDBACK_BELOW, unit.name)


def _never_chosen(unit: Unit) -> set[int]:
    """The children that a built-in router never chooses."""
    if unit.implementation == "SIMPLE_ROUTER":
        return set(range(1, len(unit.children)))
    if unit.implementation != "RANDOM_ABTEST":
        return set()
    ratios = [float(each.value or 0) for each in unit.parameters if each.name == "ratioA"]
    return {0.0: {0}, 1.0: {1}}.get(ratios[-1], set()) if ratios else set()


def _does(unit: Unit, unit_type: UnitType, method: Method) -> bool:
    return unit.type == unit_type.value or method.value in unit.methods


def _routes(unit: Unit) -> bool:
    return _does(unit, UnitType.ROUTER, Method.ROUTE)


def _takes_feedback(unit: Unit) -> bool:
    return unit.type in (UnitType.MODEL.value, UnitType.ROUTER.value) or Method.SEND_FEEDBACK.value in unit.methods


def _any_takes_feedback(unit: Unit) -> bool:
    return _takes_feedback(unit) or any(map(_any_takes_feedback, unit.children))


def _has_code(unit: Unit) -> bool:
    return unit.implementation not in names.BUILT_IN


def _learns(unit: Unit) -> bool:
    """Whether feedback may change what the unit chooses. The built-in routers never learn."""
    return _routes(unit) and _has_code(unit) and _takes_feedback(unit)


# Neighbours.


def _misfits(
    graph: Unit, predictor: Predictor, path: str, loaded: Mapping[str, Mapping[str, Any]]
) -> Iterator[Violation]:
    known: dict[str, Declared] = {}
    for unit in _all(graph):
        metadata = loaded.get(unit.name)
        try:
            written = _written_metadata(unit, predictor)
            known[unit.name] = declared({**(metadata or {}), **written})
        except ValueError as error:
            container = unit_code.container_place(unit, predictor)
            yield Violation(f"{path}.{container}.env", f"{METADATA}; wrong is {error}", unit.name)
    for edge in edges(graph, place(path, "graph"), lambda name: known.get(name, Declared())):
        yield from _misfit(edge)


def _all(unit: Unit) -> Iterator[Unit]:
    yield unit
    for child in unit.children:
        yield from _all(child)


def _written_metadata(unit: Unit, predictor: Predictor) -> Mapping[str, Any]:
    """The metadata in the env of the unit's container, which goes before what the component says itself.

    Raises ValueError where it is no mapping.
    """
    container = unit_code.container_of(unit, predictor)
    written = unit_code.environment(container.env).get(MODEL_METADATA, "") if container else ""
    if not written:
        return {}
    try:
        documents = text.parse(written, MODEL_METADATA)
    except GraphError as error:
        raise ValueError(str(error.violations[0])) from None
    if len(documents) != 1 or not isinstance(documents[0], Mapping):
        raise ValueError("the document")
    return documents[0]


def _misfit(edge: Edge) -> Iterator[Violation]:
    if not edge.given or not edge.taken:
        return
    if len(edge.given) != len(edge.taken):
        yield _of(edge, EDGE_NUMBER, len(edge.given), len(edge.taken))
        return
    for given, taken in zip(edge.given, edge.taken, strict=True):
        for rule, differ, show in _ASPECTS:
            if differ(given, taken):
                yield _of(edge, rule, show(given), show(taken))


def _of(edge: Edge, rule: str, given: Any, taken: Any) -> Violation:
    return Violation(edge.taker, f'{rule}; unit "{edge.giver}" gives {shown(given)}', shown(taken))


def _kinds_differ(given: Tensor, taken: Tensor) -> bool:
    return given.kind is not None and taken.kind is not None and given.kind != taken.kind


def _names_differ(given: Tensor, taken: Tensor) -> bool:
    return bool(given.names) and bool(taken.names) and given.names != taken.names


def _shapes_differ(given: Tensor, taken: Tensor) -> bool:
    if given.shape is None or taken.shape is None:
        return False
    if len(given.shape) != len(taken.shape):
        return True
    return any(a >= 0 and b >= 0 and a != b for a, b in zip(given.shape, taken.shape, strict=True))


_ASPECTS: tuple[tuple[str, Callable[[Tensor, Tensor], bool], Callable[[Tensor], Any]], ...] = (
    (EDGE_KIND, _kinds_differ, lambda tensor: tensor.kind),
    (EDGE_NAMES, _names_differ, lambda tensor: list(tensor.names)),
    (EDGE_SHAPE, _shapes_differ, lambda tensor: list(tensor.shape or ())),
)
