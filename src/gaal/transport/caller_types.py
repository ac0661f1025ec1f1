"""Whose message types a call may see: those of the client whose token it shows, and of nobody else.

On a server that asks nobody for a token, one that is shown all the same is looked at here; one that is not in force
is ignored there, as everywhere on such a server.
"""

from __future__ import annotations

from gaal.errors import GaalError
from gaal.gateway.accounts import Accounts
from gaal.gateway.caller import ANONYMOUS, Caller
from gaal.gateway.registrations import RegisteredTypes
from gaal.protocols.own_types import OwnTypes
from gaal.transport.access import token_of_head, token_of_metadata
from gaal.transport.grpc import Call
from gaal.transport.rest import Request


class CallerTypes:
    """The registered types of callers. None for a caller without a token."""

    def __init__(self, registered: RegisteredTypes, accounts: Accounts) -> None:
        self._registered = registered
        self._accounts = accounts

    async def of_call(self, call: Call) -> OwnTypes | None:
        token = token_of_metadata(call.headers) if call.caller is ANONYMOUS else None
        return await self._of(call.caller, token)

    async def of_request(self, request: Request) -> OwnTypes | None:
        token = token_of_head(request.headers, request.query) if request.caller is ANONYMOUS else None
        return await self._of(request.caller, token)

    async def _of(self, caller: Caller, token: bytes | None) -> OwnTypes | None:
        if token:
            try:
                caller = await self._accounts.caller_of_token(token.decode("latin-1"))
            except GaalError:
                return None
        return self._registered.of(caller.client) if caller.client else None
