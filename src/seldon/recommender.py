"""Recommenders: a class of the user's, and how it is kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from seldon.work_folder import WorkFolder, dump, load


class Recommender:
    """What a recommendation microservice serves. A subclass says what to recommend.

    An object is kept as a pickle. What does not go into one, `save` writes into the folder, and `load` reads.
    """

    def recommend(
        self, user: int, ids: Collection[int], recent_interactions: Sequence[int], client: str | None, limit: int
    ) -> Sequence[tuple[int, float]]:
        """Items with their scores, the best first, at most `limit`.

        `ids` are the items to choose from; where it is empty, the recommender knows its own.
        """
        return []

    def save(self, folder: str) -> None:
        """Writes into `folder` what the pickle does not hold."""

    def load(self, folder: str) -> Any:
        """Reads what `save` wrote."""
        return self


class RecommenderWrapper(WorkFolder):
    """Keeps a recommender as a folder with the pickle `rec` in it."""

    def save_recommender(self, recommender: Recommender, location: str) -> None:
        with self._write(location) as folder:
            dump(recommender, folder / "rec")
            recommender.save(str(folder))

    def load_recommender(self, recommender_folder: str) -> Recommender:
        """Unpickles, so the folder must be one you trust. Raises FileNotFoundError and ValueError."""
        with self._read(recommender_folder) as folder:
            recommender: Recommender = load(folder / "rec", recommender_folder)
            recommender.load(str(folder))
            return recommender
