"""What flows along the edges of a graph, as far as the metadata of its units declares it.

Metadata comes from the document (the env MODEL_METADATA of a unit's container, in YAML) or from the loaded
component. Its form: `inputs` and `outputs`, each a list of mappings with a `messagetype` and a `schema` of `names`
and `shape`, or with a `name`, a `datatype` and a `shape`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gaal.graph.deployment import Method, UnitType
from gaal.graph.schema import Unit

ARRAYS = ("tensor", "ndarray", "tftensor")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output, as declared. None and () say nothing; a dimension below 0 is any."""

    kind: str | None = None
    names: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None


Tensors: TypeAlias = "tuple[Tensor, ...]"


@dataclass(frozen=True, slots=True)
class Declared:
    """What a unit's metadata says that it takes and gives; () where it says nothing."""

    inputs: Tensors = ()
    outputs: Tensors = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """What the unit `giver` gives to the unit `taker`, and what that one takes. `taker` is a path in the document."""

    giver: str
    given: Tensors
    taker: str
    taken: Tensors


def declared(metadata: Mapping[str, Any]) -> Declared:
    """Metadata in its JSON form. Raises ValueError with the place of what has another form."""
    return Declared(_tensors(metadata, "inputs"), _tensors(metadata, "outputs"))


def _tensors(metadata: Mapping[str, Any], side: str) -> Tensors:
    items = metadata.get(side) or []
    if not isinstance(items, list | tuple):
        raise ValueError(side)
    return tuple(_tensor(item, f"{side}[{index}]") for index, item in enumerate(items))


def _tensor(item: Any, path: str) -> Tensor:
    if not isinstance(item, Mapping):
        raise ValueError(path)
    if "datatype" in item:
        return Tensor(str(item["datatype"]), (), _shape(item.get("shape"), f"{path}.shape"))
    schema = item.get("schema") or {}
    kind = item.get("messagetype")
    if kind not in ARRAYS:
        return Tensor(str(kind) if kind else None)
    if not isinstance(schema, Mapping):
        raise ValueError(f"{path}.schema")
    names = schema.get("names") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{path}.schema.names")
    return Tensor("array", tuple(names), _shape(schema.get("shape"), f"{path}.schema.shape"))


def _shape(value: Any, path: str) -> tuple[int, ...] | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(size, int) for size in value):
        raise ValueError(path)
    return tuple(value)


def edges(unit: Unit, path: str, known: Callable[[str], Declared]) -> Iterator[Edge]:
    """The edges of a graph on which something flows, with what is declared at both ends.

    `known` gives what the unit of a name declares. `path` is the place of `unit` in the document. A unit that
    transforms both ways has one metadata for two things, so only its way in is looked at.
    """
    yield from _Flow(known).through(unit, path, "", ())


@dataclass(frozen=True, slots=True)
class _Flow:
    known: Callable[[str], Declared]

    def through(self, unit: Unit, path: str, giver: str, given: Tensors) -> Iterator[Edge]:
        """The edges at and below a unit that gets `given` from the unit `giver`."""
        own = self.known(unit.name)
        if giver and (_asks_on_input(unit) or _routes(unit)):
            yield Edge(giver, given, path, own.inputs)
        if _asks_on_input(unit):
            giver, given = unit.name, own.outputs
        for index, child in enumerate(unit.children):
            yield from self.through(child, f"{path}.children[{index}]", giver, given)
        yield from self._back(unit, path, own)

    def _back(self, unit: Unit, path: str, own: Declared) -> Iterator[Edge]:
        """What the children answer goes to the combiner, or to the output transformer that they have as a parent."""
        answers = [each for child in unit.children for each in self._answers(child)]
        if unit.implementation == "AVERAGE_COMBINER" and answers:
            yield from (Edge(giver, given, path, answers[0][1]) for giver, given in answers[1:])
        elif _answers_itself(unit) and not _asks_on_input(unit):
            yield from (Edge(giver, given, path, own.inputs) for giver, given in answers)

    def _answers(self, unit: Unit) -> Sequence[tuple[str, Tensors]]:
        """What may come back from a unit and all below it: from whom, and what."""
        if unit.implementation == "AVERAGE_COMBINER" and unit.children:
            return self._answers(unit.children[0])
        if _answers_itself(unit) or not unit.children:
            return [(unit.name, self.known(unit.name).outputs)]
        children = unit.children if _routes(unit) else unit.children[:1]
        return [each for child in children for each in self._answers(child)]


def _asks_on_input(unit: Unit) -> bool:
    of_type = unit.type in (UnitType.MODEL.value, UnitType.TRANSFORMER.value)
    return of_type or Method.TRANSFORM_INPUT.value in unit.methods


def _routes(unit: Unit) -> bool:
    return unit.type == UnitType.ROUTER.value or Method.ROUTE.value in unit.methods


def _answers_itself(unit: Unit) -> bool:
    """Whether what leaves the unit is its own: an output transformer, or a combiner with children."""
    methods = unit.methods
    transforms = unit.type == UnitType.OUTPUT_TRANSFORMER.value or Method.TRANSFORM_OUTPUT.value in methods
    combines = unit.type == UnitType.COMBINER.value or Method.AGGREGATE.value in methods
    return transforms or (combines and bool(unit.children))
