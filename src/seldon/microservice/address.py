"""Where a microservice listens. What runs it has the last word, by two variables of the environment."""

from __future__ import annotations

import os

HOST_VARIABLE = "GAAL_MICROSERVICE_HOST"
PORT_VARIABLE = "GAAL_MICROSERVICE_PORT"
DEFAULT_HOST = "0.0.0.0"
DEFAULT_PORT = 5000


def chosen_host(given: str | None = None) -> str:
    """The variable's host, else the given one, else all interfaces, as a container needs it."""
    return os.environ.get(HOST_VARIABLE) or given or DEFAULT_HOST


def chosen_port(given: int | None = None) -> int:
    """The variable's port, else the given one, else 5000. 0 is any that is free. Raises ValueError."""
    text = os.environ.get(PORT_VARIABLE)
    if not text:
        return DEFAULT_PORT if given is None else given
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise ValueError(f"{PORT_VARIABLE} must be a port from 0 to 65535, got {text!r}")
    return int(text)
