"""Where a remote unit stands, for what is said of it when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gaal.errors import ComponentError, DeadlineExceeded, MessageError, Unavailable


@dataclass(frozen=True, slots=True)
class Place:
    """A unit's name, and its address as a URL. The errors that it makes name both, and the cause."""

    unit: str
    address: str

    def described(self, cause: str) -> str:
        return f"{self.address}: {cause}"

    def unavailable(self, cause: str) -> Unavailable:
        return Unavailable(f'unit "{self.unit}": {self.described(cause)}')

    def too_late(self, timeout_s: float) -> DeadlineExceeded:
        return DeadlineExceeded(f'unit "{self.unit}": {self.described(f"no reply within {timeout_s:g} s")}')

    def wrong_reply(self, cause: str) -> ComponentError:
        return ComponentError(self.unit, self.described(cause))

    @contextmanager
    def wrong_replies(self) -> Iterator[None]:
        """Around the reading of a reply: what it breaks is the unit's fault, not the caller's."""
        try:
            yield
        except (MessageError, ValueError) as error:
            raise self.wrong_reply(f"the reply is not what the protocol says: {error}") from None
