"""A Classifier microservice behind REST: `/predict` with the fields `client` and `json`.

Seldon Server asks with GET and all in the query. So it is done here, as long as the query fits into a URL that every
server takes; a longer `json` is posted as a form, which the same microservices read.
"""

from __future__ import annotations

import logging
import ssl
from urllib.parse import urlencode

from gaal.components.classifier_unit import ClassifierUnit
from gaal.components.microservice_addresses import MicroserviceAddress, MicroserviceTurns
from gaal.components.remote_http import HttpCalls
from gaal.errors import ComponentError, ComponentRejected, RemoteReply
from gaal.executor.context import Context
from gaal.messages import Message
from gaal.protocols import classifier

logger = logging.getLogger("gaal.components")

TIMEOUT_S = 2.0
"""For each call, where nothing else is said. Source: Seldon Server's socket timeout towards microservices."""

MAX_QUERY_BYTES = 2000
"""What the proxies and servers of that time take for certain is a URL of 2048 bytes."""

FORM = "application/x-www-form-urlencoded"

_BAD_DATA = (400, 422)
"""The statuses by which a microservice says that the fault is in the features."""


class ClassifierRestUnit(ClassifierUnit):
    """The microservice at `address`, asked at `path` for `client` ("" says nothing of it)."""

    def __init__(
        self,
        unit: str,
        address: MicroserviceAddress,
        *,
        max_reply_bytes: int,
        path: str = "/predict",
        client: str = "",
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(unit)
        self._path = path
        self._client = client
        turns = MicroserviceTurns(address)
        self._calls = HttpCalls(unit, address.authority, turns, timeout_s, max_reply_bytes, tls)

    async def start(self) -> None:
        """Open the pool. Nobody need be there yet."""
        await self._calls.start()

    async def close(self) -> None:
        await self._calls.close()

    async def reachable(self) -> None:
        await self._calls.reachable()

    async def predict(self, message: Message, context: Context, /) -> Message:
        text = classifier.encode_request_json(message, puid=context.puid)
        try:
            reply = await self._asked(text, context)
        except RemoteReply as error:
            raise self._refused(error) from None
        reply.encoding = context.encoding  # a unit elsewhere changes nothing for those that come after it
        return reply

    async def _asked(self, text: bytes, context: Context) -> Message:
        headers = {"seldon-puid": context.puid} if context.puid.isascii() and context.puid.isprintable() else {}
        client = {"client": self._client} if self._client else {}
        form = urlencode({"json": text})
        if len(form) <= MAX_QUERY_BYTES:
            query = f"?{urlencode(client)}&{form}" if client else f"?{form}"
            return await self._calls.ask(self._path, None, headers, classifier.decode_reply_json, query)
        query = f"?{urlencode(client)}" if client else ""
        return await self._calls.ask(
            self._path, form.encode(), headers, classifier.decode_reply_json, query, content_type=FORM
        )

    def _refused(self, error: RemoteReply) -> ComponentError:
        """What the caller is told: that it failed, and none of the words, which may be anything."""
        what = self._calls.place(self._path).described(f"HTTP {error.http_status}")
        logger.warning('unit "%s": %s', self._unit, what)
        if error.http_status in _BAD_DATA:
            return ComponentRejected(self._unit, what, 400, "BAD_REQUEST")
        return ComponentError(self._unit, what)
