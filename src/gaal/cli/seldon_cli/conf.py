"""`~/.seldon/seldon.conf`: what Seldon Server's tools were told there, as far as Gaal has a use for it.

There need not be one. What stands in it and is not named here is left as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaal.errors import SettingsError, Violation

SERVER_ENDPOINT = "http://localhost:30015"
OTHER_ENDPOINT = "http://localhost:8000"
DEFAULT_PREDICTORS = ("externalPredictionServer", "rpcPredictionServer", "deployment")
DEFAULT: Mapping[str, Any] = {"server_endpoint": SERVER_ENDPOINT}


@dataclass(frozen=True, slots=True)
class Conf:
    """`server_endpoints` are where the server may be, the likeliest first."""

    server_endpoints: tuple[str, ...]


def path_of(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home()) / ".seldon" / "seldon.conf"


def read(environment: Mapping[str, str]) -> Conf:
    """What the file and GAAL_SERVER_ENDPOINT say. Raises SettingsError for a file that is not of its form."""
    told = _told(path_of(environment)).get("server_endpoint") or environment.get("GAAL_SERVER_ENDPOINT")
    return Conf((str(told).rstrip("/"),) if told else (SERVER_ENDPOINT, OTHER_ENDPOINT))


def write_default(environment: Mapping[str, str]) -> tuple[Path, bool]:
    """The file, and whether it was made now: one that is there stays."""
    path = path_of(environment)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path, False
    with os.fdopen(descriptor, "w") as file:
        file.write(default_text() + "\n")
    return path, True


def default_text() -> str:
    return json.dumps(DEFAULT, indent=4, sort_keys=True)


def _told(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_text())
    except ValueError as error:
        raise SettingsError([Violation(str(path), f"must be JSON: {error}")]) from None
    if not isinstance(told, dict):
        raise SettingsError([Violation(str(path), "must be a JSON object")])
    return told
