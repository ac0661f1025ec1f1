"""Errors that one Gaal tells another: the trailing metadata `gaal-error` of a gRPC call.

It is percent-encoded JSON, `{"class", "unit", "what", "reason", "http_status"}`, of which the very same error is made.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import orjson

from gaal import errors
from gaal.errors import ComponentError, ComponentRejected, GaalError

_OF_A_UNIT = ("ComponentError", "ComponentLoadError", "InvalidRouting")
_OF_THE_CALLER = (
    *("MessageError", "UnsupportedMedia", "MessageTooLarge", "NotFound"),
    *("Unavailable", "QueueFull", "DeadlineExceeded"),
)


def error_told(value: str | bytes) -> GaalError | None:
    """The error that a value of `gaal-error` means; None for a value that is none."""
    try:
        told = orjson.loads(unquote(value if isinstance(value, str) else value.decode("ascii", "replace")))
        return _error(told, str(told["unit"]), str(told["what"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def status_told(value: str | bytes) -> int:
    """The HTTP status in a value of `gaal-error`; 500 for a value that has none."""
    error = error_told(value)
    return error.http_status if isinstance(error, ComponentRejected) else 500


def _error(told: dict[str, Any], unit: str, what: str) -> GaalError:
    name = told["class"]
    if name in _OF_THE_CALLER:
        made: GaalError = getattr(errors, name)(what)
        return made
    if name in _OF_A_UNIT:
        made = getattr(errors, name)(unit, what)
        assert isinstance(made, ComponentError)
        return made
    return ComponentRejected(unit, what, int(told["http_status"]), str(told["reason"]))
