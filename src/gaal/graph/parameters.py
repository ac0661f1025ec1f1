"""Parameters of a unit: texts with a type in the document, typed keyword arguments for a component."""

from __future__ import annotations

import json
from collections.abc import Iterable

from gaal.errors import GaalError
from gaal.graph.deployment import Parameter

TYPES = ("INT", "FLOAT", "DOUBLE", "STRING", "BOOL")

_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")


class BadParameter(GaalError, ValueError):
    """A parameter has an unknown type, or a value that its type cannot have."""

    reason = "MICROSERVICE_BAD_PARAMETER"


def typed(parameters: Iterable[Parameter]) -> dict[str, int | float | str | bool]:
    """The keyword arguments for a component. Of two parameters with one name the last counts. Raises BadParameter."""
    return {parameter.name: typed_value(parameter) for parameter in parameters}


def typed_value(parameter: Parameter) -> int | float | str | bool:
    """The value as its type says. Raises BadParameter."""
    try:
        match parameter.type:
            case "INT":
                return int(parameter.value)
            case "FLOAT" | "DOUBLE":
                return float(parameter.value)
            case "BOOL":
                return _boolean(parameter.value)
            case "STRING":
                return parameter.value
    except ValueError:
        raise BadParameter(
            f"Bad model parameter: {parameter.name} with value {parameter.value} can't be parsed as a {parameter.type}"
        ) from None
    raise BadParameter(f"Bad model parameter type: {parameter.type} valid are {', '.join(TYPES)}")


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(text)


def from_json(text: str) -> tuple[Parameter, ...]:
    """Parameters as a command line or PREDICTIVE_UNIT_PARAMETERS has them: `[{"name":…,"value":…,"type":…}]`.

    A value may also be a number or a boolean. Raises BadParameter if the text is no such list.
    """
    try:
        items = json.loads(text or "[]")
    except (ValueError, RecursionError) as error:
        raise BadParameter(f"Bad model parameters: not JSON, {error}") from None
    if not isinstance(items, list) or not all(_is_parameter(item) for item in items):
        raise BadParameter('Bad model parameters: must be a list of {"name":…,"value":…,"type":…}')
    return tuple(Parameter(item["name"], _text(item["value"]), item["type"]) for item in items)


def _is_parameter(item: object) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("name"), str)
        and isinstance(item.get("value"), str | int | float)
        and isinstance(item.get("type"), str)
    )


def _text(value: str | int | float) -> str:
    return value if isinstance(value, str) else json.dumps(value)
