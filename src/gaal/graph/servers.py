"""Servers of models beside Gaal's own: a file that says which component stands behind which implementation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaal.errors import GraphError, Violation
from gaal.graph import names, rules
from gaal.graph.deployment import Parameter, Placement
from gaal.graph.places import known_names, place, shown
from gaal.graph.text import parse, read_text
from gaal.graph.unit_code import is_component

NAME = "a server has the name of an implementation, capitals, digits and '_', that Gaal has not itself"
FIELD = "a server has no such field"
PLACEMENT = "the placement must be auto, inline, thread or worker"
PARAMETER = "a parameter must have a name and a text, a number, true or false"

FIELDS = ("component", "parameters", "placement", "extra")
PLACEMENTS = tuple(each.value for each in Placement if each is not Placement.REMOTE)
TAKEN = (names.UNKNOWN_IMPLEMENTATION, *names.BUILT_IN, *names.SERVED_HERE)
"""The implementations that Gaal has itself, and that no file changes."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_TYPES: Mapping[type, str] = {bool: "BOOL", int: "INT", float: "DOUBLE", str: "STRING"}


@dataclass(frozen=True, slots=True)
class CustomServer:
    """What stands behind an implementation.

    `parameters` are those that a document does not give, `placement` that of units without an annotation. `extra` is
    what pip installs for the component, "" if nothing is to be said of that.
    """

    component: str
    parameters: tuple[Parameter, ...] = ()
    placement: Placement = Placement.AUTO
    extra: str = ""


Servers = Mapping[str, CustomServer]
"""The servers that are in force, by implementation."""

NONE: Servers = {}


def read_servers(path: Path) -> Servers:
    """The servers of a YAML or JSON file. Raises GraphError with everything that is wrong in it."""
    documents = parse(read_text(path, str(path)), str(path))
    told = documents[0] if len(documents) == 1 else None
    violations = list(_violations(told))
    if violations:
        raise GraphError(str(path), violations)
    assert isinstance(told, dict)
    return {name: _server(fields) for name, fields in told.items()}


def _server(fields: Mapping[str, Any]) -> CustomServer:
    given = fields.get("parameters") or {}
    return CustomServer(
        fields["component"],
        tuple(Parameter(name, _text(value), _TYPES[type(value)]) for name, value in given.items()),
        Placement(fields.get("placement") or Placement.AUTO.value),
        fields.get("extra") or "",
    )


def _text(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _violations(told: Any) -> Iterator[Violation]:
    if not isinstance(told, dict):
        yield Violation("document", rules.NEEDS_MAPPING, shown(told))
        return
    for name, fields in told.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in TAKEN:
            yield Violation("document", NAME, shown(name))
        elif not isinstance(fields, dict):
            yield Violation(name, rules.NEEDS_MAPPING, shown(fields))
        else:
            yield from _wrong_fields(name, fields)


def _wrong_fields(name: str, fields: Mapping[Any, Any]) -> Iterator[Violation]:
    for field in fields:
        if field not in FIELDS:
            yield Violation(name, FIELD + known_names(str(field), FIELDS), shown(field))
    component, placement, extra = (fields.get(field) for field in ("component", "placement", "extra"))
    if component is None:
        yield Violation(place(name, "component"), rules.REQUIRED)
    elif not isinstance(component, str) or not is_component(component):
        yield Violation(place(name, "component"), rules.COMPONENT, shown(component))
    if placement is not None and placement not in PLACEMENTS:
        yield Violation(place(name, "placement"), PLACEMENT, shown(placement))
    if extra is not None and not isinstance(extra, str):
        yield Violation(place(name, "extra"), rules.NEEDS_TEXT, shown(extra))
    yield from _wrong_parameters(place(name, "parameters"), fields.get("parameters"))


def _wrong_parameters(path: str, given: Any) -> Iterator[Violation]:
    if given is not None and not isinstance(given, dict):
        yield Violation(path, rules.NEEDS_MAPPING, shown(given))
        return
    for name, value in (given or {}).items():
        if not isinstance(name, str) or type(value) not in _TYPES:
            yield Violation(path, PARAMETER, shown({name: value}))
