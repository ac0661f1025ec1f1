"""The REST paths of Seldon Server: predictions and events, from servers with a token and from pages with a js key.

| path               | methods | who asks                    | reply                                     |
|--------------------|---------|-----------------------------|-------------------------------------------|
| /predict           | POST    | a token                     | a ClassificationReply                     |
| /js/predict        | any     | `consumer_key`, a js key    | the same, as a script (JSONP)             |
| /events            | POST    | a token                     | the event, as it was stored               |
| /js/event/new      | any     | `consumer_key`, a js key    | the same, as a script                     |

Errors are in the form of Seldon Server, with HTTP's real status.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import orjson

from gaal.errors import GaalError, MessageError, StoreError, Unauthenticated
from gaal.gateway.caller import ANONYMOUS, Caller
from gaal.protocols import classifier, json_text
from gaal.storage.records import Event
from gaal.transport.access import FORM, token_of_head
from gaal.transport.bodies import media_type_of
from gaal.transport.classifying import STICKY_KEY, Classifying, Question, new_puid, sendable
from gaal.transport.error_bean import error_bean
from gaal.transport.errors import described
from gaal.transport.jsonp import as_script, checked_callback
from gaal.transport.rest import Endpoint, Reply, Request

Parameters: TypeAlias = Mapping[str, list[str]]
"""The fields of query and form, with all values of each."""

Answer: TypeAlias = Callable[[Request, Parameters], Awaitable[Reply]]

MAX_PARAMETERS = 10_000

OF_THE_CALL = frozenset(
    {
        *("consumer_key", "consumer_secret", "oauth_token", "client", "puid", "jsonpCallback"),
        # Not in the original's list: one is Gaal's own, the other is what its JavaScript library adds to every call.
        *("sticky", "timestamp"),
    }
)
"""Parameters that are no features."""

OF_AN_EVENT_CALL = OF_THE_CALL - {"timestamp"}

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


class ClassifierApi:
    """The endpoints. Where the server asks nobody for a token, and for pages, each finds out by itself who asks."""

    def __init__(self, classifying: Classifying) -> None:
        self._classifying = classifying
        self._accounts = classifying.access.accounts

    def endpoints(self) -> dict[str, Endpoint]:
        """By path."""
        post, any_method, is_open = ("POST", "OPTIONS"), (), self._classifying.anonymous
        return {
            "/predict": _endpoint(post, self._guarded(self._predict), "predict", is_open),
            "/events": _endpoint(post, self._guarded(self._add_event), "events", is_open),
            "/js/predict": _endpoint(any_method, self._scripted(self._js_predict), "js-predict"),
            "/js/event/new": _endpoint(any_method, self._scripted(self._js_add_event), "js-event"),
        }

    # From servers ----------------------------------------------------------------------------------------------------

    async def _predict(self, request: Request, parameters: Parameters) -> Reply:
        async with self._let_in(request) as caller:
            return await self._prediction(json_text.parse(request.body), caller, request, parameters)

    async def _add_event(self, request: Request, parameters: Parameters) -> Reply:
        async with self._let_in(request) as caller:
            return await self._event(json_text.parse(request.body), caller)

    @asynccontextmanager
    async def _let_in(self, request: Request) -> AsyncIterator[Caller]:
        """Who shows the token, counted until it is answered. A server that asks everybody for one has seen to both."""
        if request.caller is not ANONYMOUS:
            yield request.caller
            return
        caller = await self._classifying.caller_of_token(token_of_head(request.headers, request.query))
        with self._accounts.admitted(caller):
            yield caller

    # From pages ------------------------------------------------------------------------------------------------------

    async def _js_predict(self, request: Request, parameters: Parameters) -> Reply:
        caller = await self._caller_of_key(request, parameters)
        with self._accounts.admitted(caller):
            text = _single(parameters, "json")
            asked = {"data": features_of(parameters)} if text is None else json_text.parse(text.encode())
            return await self._prediction(asked, caller, request, parameters)

    async def _js_add_event(self, request: Request, parameters: Parameters) -> Reply:
        caller = await self._caller_of_key(request, parameters)
        with self._accounts.admitted(caller):
            text = _single(parameters, "json")
            event = values_of(parameters, OF_AN_EVENT_CALL) if text is None else json_text.parse(text.encode())
            return await self._event(event, caller)

    async def _caller_of_key(self, request: Request, parameters: Parameters) -> Caller:
        referrer = request.headers.get(b"referer")
        page = None if referrer is None else referrer.decode("latin-1")
        return await self._classifying.caller_of_js_key(_single(parameters, "consumer_key"), page)

    # Both ------------------------------------------------------------------------------------------------------------

    async def _prediction(self, asked: Any, caller: Caller, request: Request, parameters: Parameters) -> Reply:
        types = self._classifying.types_of(caller)
        message = classifier.request_of(asked, types)
        puid = message.meta.puid or _single(parameters, "puid") or _given_puid(request) or new_puid()
        if sendable(puid):
            request.puid = puid
        sticky_key = request.headers.get(STICKY_KEY, b"").decode("latin-1") or _single(parameters, "sticky") or ""
        question = Question(caller, message, types, puid, request.headers, sticky_key, request)
        return Reply(await self._classifying.answer(question))

    async def _event(self, event: Any, caller: Caller) -> Reply:
        """On disk before this returns."""
        if caller is ANONYMOUS:
            raise Unauthenticated("events: whose they are must be said, by a token or a key", "TOKEN_MISSING")
        stored = completed_event(event, caller.client, time.time())
        store = self._accounts.store
        if store is None:
            raise StoreError("events: there is no store to keep them in")
        await store.write(store.events.add, stored)
        return Reply(orjson.dumps({"json": stored.json}))

    def _guarded(self, answer: Answer) -> Callable[[Request], Awaitable[Reply]]:
        async def handle(request: Request) -> Reply:
            try:
                return await answer(request, parameters_of(request))
            except Exception as error:
                return error_bean(described(error))

        return handle

    def _scripted(self, answer: Answer) -> Callable[[Request], Awaitable[Reply]]:
        guarded = self._guarded(answer)

        async def handle(request: Request) -> Reply:
            try:
                callback = _callback_of(parameters_of(request))
            except GaalError as error:
                return error_bean(error)
            return as_script(await guarded(request), callback)

        return handle


def _endpoint(
    methods: tuple[str, ...], handle: Callable[[Request], Awaitable[Reply]], service: str, is_open: bool = True
) -> Endpoint:
    return Endpoint(methods, handle, service, is_open=is_open, refuse=error_bean)


def parameters_of(request: Request) -> Parameters:
    """The fields of the query and of the form. Raises MessageError."""
    fields = _fields(request.query)
    if media_type_of(request.content_type) == FORM and request.scope["path"].startswith("/js/"):
        fields = {**_fields(request.body), **fields}
    return fields


def _fields(form: bytes) -> dict[str, list[str]]:
    if not form:
        return {}
    try:
        return parse_qs(form.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:  # its text may have a key in it
        rule = f"must be ASCII, with at most {MAX_PARAMETERS} fields"
        raise MessageError(f"the parameters cannot be read: {rule}") from None


def _single(parameters: Parameters, name: str) -> str | None:
    values = parameters.get(name)
    return values[0] if values else None


def _callback_of(parameters: Parameters) -> str:
    name = _single(parameters, "jsonpCallback")
    if name is None:
        raise MessageError("jsonpCallback: must be given, as the reply is a call of that function")
    return checked_callback(name)


def _given_puid(request: Request) -> str:
    return request.headers.get(b"seldon-puid", b"").decode("latin-1")


def features_of(parameters: Parameters) -> dict[str, Any]:
    """The features in a call without `json`. Raises MessageError if there are none."""
    features = values_of(parameters, OF_THE_CALL)
    if not features:
        raise MessageError("json: must be given, or else the features as parameters")
    return features


def values_of(parameters: Parameters, reserved: frozenset[str]) -> dict[str, Any]:
    """Names and values; numbers where they are written as numbers. What stands twice is left out, as it always was."""
    return {name: _value(values[0]) for name, values in parameters.items() if name not in reserved and len(values) == 1}


def _value(text: str) -> int | float | str:
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else text


def completed_event(event: Any, client: str, now: float) -> Event:
    """The event with its client, and a timestamp in whole seconds where it has none. Raises MessageError."""
    if not isinstance(event, dict):
        raise json_text.refusal("event", "must be a JSON object", event)
    timestamp = event.get("timestamp", int(now))
    if isinstance(timestamp, bool) or not isinstance(timestamp, int):
        raise json_text.refusal("event.timestamp", "must be a whole number of seconds", timestamp)
    text = json_text.dump({**event, "client": client, "timestamp": timestamp}).decode()
    return Event(client, now, text)
