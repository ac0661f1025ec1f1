"""How Gaal logs: one line an event to stderr, with the time, the level and who says it."""

from __future__ import annotations

import logging


def configure_logs(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
