"""Names of container images, and what stands for them where there are no containers."""

from __future__ import annotations

from sqlalchemy import select

from gaal.storage import rows
from gaal.storage.database import Database
from gaal.storage.records import Image
from gaal.storage.tables import images

TOPIC = "images"


class Images:
    """One target for a name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, image: Image) -> None:
        """In the place of the one of the same name."""
        self._database.write(lambda connection: rows.put(connection, images, rows.values_of(image)), TOPIC)

    def get(self, name: str) -> Image | None:
        statement = select(images).where(images.c.name == name)
        return self._database.read(lambda connection: rows.one_of(connection, Image, statement))

    def all(self) -> list[Image]:
        return self._database.read(lambda connection: rows.all_of(connection, Image, rows.ordered(images)))

    def remove(self, name: str) -> bool:
        """Whether there was one."""
        return self._database.write(lambda connection: rows.clear(connection, [images], name=name) > 0, TOPIC)
