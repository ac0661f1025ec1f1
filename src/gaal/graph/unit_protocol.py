"""What a unit at an endpoint speaks."""

from __future__ import annotations

from gaal.graph import names
from gaal.graph.annotations import PROTOCOL, Annotations
from gaal.graph.schema import Unit


def unit_protocol(unit: Unit, spec_protocol: str, annotations: Annotations) -> str:
    """As its annotation says, else its implementation, else the document; kfserving is v2."""
    annotation = annotations.get(PROTOCOL + unit.name)
    spoken = annotation.value if annotation else names.SPOKEN.get(unit.implementation, spec_protocol)
    return names.UNIT_PROTOCOLS.get(spoken, spoken)
