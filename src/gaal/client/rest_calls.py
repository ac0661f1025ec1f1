"""The calls over REST: the Seldon protocol in JSON, at the paths of its external API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from gaal.client import errors
from gaal.client.address import Address
from gaal.client.calls import NO_HEADERS, Call, Request, Response, decoded, puid_header, reply_of, retry_after_s
from gaal.client.replies import Reply
from gaal.errors import MessageError
from gaal.messages import Feedback, GraphMetadata, Message, ModelMetadata, Status
from gaal.protocols import seldon_json
from gaal.protocols.json_text import parse

T = TypeVar("T")

_API = "/api/v1.0"
_JSON = {"content-type": "application/json", "accept": "application/json"}
_MAX_SHOWN = 200
"""So many characters of a body that has no form are shown in an error."""

_ERRORS: Mapping[int, type[errors.CallFailed]] = {
    401: errors.Unauthenticated,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    408: errors.DeadlineExceeded,
    413: errors.Overloaded,
    429: errors.Overloaded,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.DeadlineExceeded,
}


class RestCalls:
    """`headers` go with every call."""

    def __init__(self, address: Address, headers: Mapping[str, str]) -> None:
        self._address = address
        self._headers = headers
        self._json_headers = {**_JSON, **headers}

    def predict(self, message: Message, is_repeatable: bool) -> Call[Reply]:
        body, puid = seldon_json.encode_message(message), puid_header(message)
        request = self._post(f"{self._address.prefix}{_API}/predictions", body, puid)
        return self._message_call(request, message, is_repeatable)

    def send_feedback(self, feedback: Feedback) -> Call[Reply]:
        request = self._post(f"{self._address.prefix}{_API}/feedback", seldon_json.encode_feedback(feedback))
        return self._message_call(request, None, is_repeatable=False)

    def explain(self, message: Message, predictor: str, is_repeatable: bool) -> Call[Any]:
        if self._address.deployment and not predictor:
            raise MessageError("predictor: the explainer of a deployment belongs to a predictor, which must be named")
        prefix = self._address.explainer_prefix(predictor) if self._address.deployment else self._address.base
        request = self._post(f"{prefix}{_API}/explain", seldon_json.encode_message(message))
        return self._json_call(request, lambda value: value, is_repeatable)

    def graph_metadata(self) -> Call[GraphMetadata]:
        return self._json_call(self._get("/metadata"), seldon_json.graph_metadata_of, is_repeatable=True)

    def model_metadata(self, unit: str) -> Call[ModelMetadata]:
        request = self._get(f"/metadata/{quote(unit, safe='')}")
        return self._json_call(request, seldon_json.model_metadata_of, is_repeatable=True)

    def health(self, unit: str) -> Call[Reply]:
        return self._message_call(self._get(f"/status/{quote(unit, safe='')}"), None, is_repeatable=True)

    def ready(self) -> Call[bool]:
        request = self._get("/health/status")

        def read(response: Response) -> bool:
            if response.status == 200:
                return True
            raise _failed(self._place(request), response)

        return Call(request, read, is_repeatable=True)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Request:
        return Request(path, body, {**self._json_headers, **headers})

    def _get(self, path: str) -> Request:
        return Request(f"{self._address.prefix}{_API}{path}", b"", self._headers, "GET")

    def _place(self, request: Request) -> str:
        return f"{request.method} {self._address.origin}{request.path}"

    def _message_call(self, request: Request, sent: Message | None, is_repeatable: bool) -> Call[Reply]:
        place = self._place(request)

        def read(response: Response) -> Reply:
            _check(place, response)
            return reply_of(place, response, seldon_json.decode_message, sent)

        return Call(request, read, is_repeatable)

    def _json_call(self, request: Request, form: Callable[[Any], T], is_repeatable: bool) -> Call[T]:
        place = self._place(request)

        def read(response: Response) -> T:
            _check(place, response)
            return decoded(place, response.body, lambda body: form(parse(body)))

        return Call(request, read, is_repeatable)


def _check(place: str, response: Response) -> None:
    """Raises CallFailed for what is not a 200 with JSON."""
    if response.status != 200:
        raise _failed(place, response)
    content_type = _content_type(response)
    # Text: the orchestrator of Seldon Core has its bytes' type guessed. Nothing: some proxies drop it.
    if content_type not in ("application/json", "text/plain", "") and not content_type.endswith("+json"):
        raise errors.BadReply(place, f"the reply must be JSON, and is {content_type}", http_status=200)


def _failed(place: str, response: Response) -> errors.CallFailed:
    status = response.status
    if status < 400:
        target = response.headers.get("location", "")
        info = f"redirected to {target}: give that address" if target else f"a reply has status 200, not {status}"
        return errors.BadReply(place, info, http_status=status)
    known = _status_form(response.body)
    return _error_class(status)(
        place,
        (known.info if known else _shown(response)) or response.text or "no reason given",
        reason=known.reason if known else "",
        http_status=status,
        retry_after_s=retry_after_s(response.headers),
    )


def _error_class(status: int) -> type[errors.CallFailed]:
    return _ERRORS.get(status, errors.RequestRefused if status < 500 else errors.ServerFailed)


def _status_form(body: bytes) -> Status | None:
    """The protocol's form of an error: the orchestrator's, and the wrapper's with its numbers; None for another."""
    try:
        return seldon_json.message_of(parse(body)).status
    except MessageError:
        return None


def _shown(response: Response) -> str:
    """What a body without form says, if it is for people's eyes and no page for a browser."""
    if _content_type(response) not in ("application/json", "text/plain", ""):
        return ""
    return " ".join(response.body.decode(errors="replace").split())[:_MAX_SHOWN]


def _content_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()
