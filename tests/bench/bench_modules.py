"""The files of bench/, which are scripts and no package."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent.parent.parent / "bench"


def bench(name: str) -> Any:
    """One of them as a module, without leaving their folder on the path."""
    sys.path.insert(0, str(BENCH))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCH))
