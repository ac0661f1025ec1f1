"""How Gaal logs: one line an event to stderr, with the time, the level and who says it."""

from __future__ import annotations

import logging


def configure_logs(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    # It tells of every plugin and every step; what a user should know of a migration, the store says.
    logging.getLogger("alembic").setLevel(logging.WARNING)
