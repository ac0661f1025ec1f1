"""`io.seldon.api.rpc.Classifier/Predict` and, as it was called later, `io.seldon.api.rpc.Seldon/Classify`."""

from __future__ import annotations

from gaal.errors import PermissionDenied, TooManyRequests, Unauthenticated
from gaal.gateway.caller import Caller
from gaal.messages import Encoding
from gaal.protocols import classifier
from gaal.transport.access import token_of_metadata
from gaal.transport.classifying import STICKY_KEY, Classifying, Question, new_puid, sendable
from gaal.transport.errors import error_trailers
from gaal.transport.grpc import Call, Method, UnaryMethod

UNKNOWN_CLIENT = "Could not determine client from oauth_token"
"""Clients of Seldon Server may look for this very text."""


class ClassifierService:
    """Both services, of one method each, which is the same."""

    def __init__(self, classifying: Classifying) -> None:
        self._classifying = classifying

    def methods(self) -> dict[str, Method]:
        return dict.fromkeys(classifier.METHODS, UnaryMethod(self.predict, is_open=True))

    async def predict(self, request: bytes, call: Call) -> bytes:
        caller = await self._caller(call)
        try:
            with self._classifying.access.accounts.admitted(caller):
                return await self._answer(request, call, caller)
        except TooManyRequests as error:
            call.trailers += error_trailers(error)
            raise

    async def _answer(self, request: bytes, call: Call, caller: Caller) -> bytes:
        types = self._classifying.types_of(caller)
        message = classifier.decode_proto(request, types)
        puid = message.meta.puid or new_puid()
        if sendable(puid):
            call.context.puid = puid
        sticky_key = call.headers.get(STICKY_KEY, b"").decode("latin-1")
        question = Question(caller, message, types, puid, call.headers, sticky_key, call, Encoding.PROTO)
        return await self._classifying.answer(question)

    async def _caller(self, call: Call) -> Caller:
        """Raises PermissionDenied for whoever is not known."""
        try:
            return await self._classifying.caller_of_token(token_of_metadata(call.headers))
        except Unauthenticated as error:
            raise PermissionDenied(UNKNOWN_CLIENT, error.reason) from None
