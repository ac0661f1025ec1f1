"""What `seldon-cli db` and `memcached` are told, kept in the data directory: Gaal itself has no use for it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FILE = "seldon-cli.json"


def read(data_dir: Path, part: str) -> dict[str, Any]:
    return dict(_all(data_dir).get(part, {}))


def write(data_dir: Path, part: str, told: dict[str, Any]) -> None:
    """For this user's eyes only: there may be passwords in it."""
    path, draft = data_dir / FILE, data_dir / f"{FILE}.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({**_all(data_dir), part: told}, file, indent=4, sort_keys=True)
    os.replace(draft, path)


def _all(data_dir: Path) -> dict[str, dict[str, Any]]:
    path = data_dir / FILE
    return json.loads(path.read_text()) if path.is_file() else {}
