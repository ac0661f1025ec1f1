"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass

from gaal.gateway.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """A client, by which of its keys it came ("" for a token of another issuer), and what that is good for."""

    client: str
    scope: Scope
    key: str


ANONYMOUS = Caller("", EVERYTHING, "")
"""Whoever calls a server that asks nobody for a token."""
