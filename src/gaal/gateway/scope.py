"""What a key, and each token made with it, may be used for.

| scope                         | grants                                                                |
|-------------------------------|-----------------------------------------------------------------------|
| `all`                         | everything that the client may do, but for what the two last are for  |
| `readonly`                    | reading: metadata, health of units, documents, metrics; no prediction |
| `deployment:<namespace>/<name>` | everything of this one deployment; others are not there             |
| `js`                          | the paths for browsers, /js/…, with the bare key                      |
| `models`                      | loading and unloading models while the server runs                    |

Several stand in one text, separated by blanks, and grant together what each grants.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Self

from gaal.errors import SettingsError, Violation

ALL, JS, MODELS, READONLY, DEPLOYMENT = "all", "js", "models", "readonly", "deployment:"

_DEPLOYMENT = re.compile(r"deployment:([a-z0-9]([-a-z0-9.]*[a-z0-9])?)/([a-z0-9]([-a-z0-9.]*[a-z0-9])?)")


@dataclass(frozen=True)
class Scope:
    """`words` in their order, without repetitions. Make it with `parse_scope` or `known_scope`."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.words)

    @cached_property
    def is_all(self) -> bool:
        return ALL in self.words

    @cached_property
    def is_js(self) -> bool:
        return JS in self.words

    @cached_property
    def allows_reading(self) -> bool:
        """Whether anything may be read at all."""
        return self.is_all or READONLY in self.words or self.allows_writing

    @cached_property
    def allows_writing(self) -> bool:
        """Whether anything may be predicted, told as feedback or changed at all."""
        return self.is_all or self.allows_loading or bool(self.deployments)

    @cached_property
    def allows_loading(self) -> bool:
        """Whether models may be loaded and unloaded."""
        return MODELS in self.words

    @cached_property
    def sees_all(self) -> bool:
        """Whether no deployment is hidden."""
        return self.is_all or READONLY in self.words

    @cached_property
    def deployments(self) -> frozenset[tuple[str, str]]:
        """Namespace and name of those that the scope is for."""
        found = (_DEPLOYMENT.fullmatch(word) for word in self.words)
        return frozenset((match[1], match[3]) for match in found if match)

    def sees(self, namespace: str, name: str) -> bool:
        """Whether this deployment is there."""
        return self.sees_all or (namespace, name) in self.deployments

    def allows_deployment(self, namespace: str, name: str, *, writes: bool = True) -> bool:
        """Whether this deployment may be asked for predictions, or with `writes=False` at least looked at."""
        return self.is_all or (namespace, name) in self.deployments or (not writes and self.sees_all)

    def covers(self, other: Self) -> bool:
        """Whether everything that `other` grants is granted here."""
        return all(word in self.words or (self.is_all and word not in (JS, MODELS)) for word in other.words)


EVERYTHING = Scope((ALL, JS, MODELS))


@lru_cache(maxsize=4096)
def parse_scope(text: str) -> Scope:
    """Raises SettingsError for a word that is no scope, and for a text without any."""
    scope = known_scope(text.split())
    unknown = [word for word in text.split() if word not in scope.words]
    if unknown or not scope.words:
        rule = "must be all, js, models, readonly or deployment:<namespace>/<name>, or several separated by blanks"
        raise SettingsError([Violation("scope", rule, " ".join(unknown) or text)])
    return scope


def known_scope(words: Iterable[str]) -> Scope:
    """The scope of those words that are scopes, for texts that others write too."""
    return Scope(tuple(dict.fromkeys(word for word in words if _is_scope(word))))


def _is_scope(word: str) -> bool:
    return word in (ALL, JS, MODELS, READONLY) or _DEPLOYMENT.fullmatch(word) is not None
