"""The import names that code written for Seldon Server uses, over today's libraries.

Importing this package alone loads nothing beside the standard library. docs/seldon-package.md says what is here, and
what differs.
"""

from __future__ import annotations

from seldon.extension import Extension, ExtensionWrapper
from seldon.recommender import Recommender, RecommenderWrapper

__all__ = [
    "Extension",
    "ExtensionWrapper",
    "Extension_wrapper",
    "Recommender",
    "RecommenderWrapper",
    "Recommender_wrapper",
]

Recommender_wrapper = RecommenderWrapper
Extension_wrapper = ExtensionWrapper
