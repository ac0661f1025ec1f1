"""Where clients get their tokens: `/token` as Seldon Server has it, and OAuth 2.0 at `/oauth/…`.

| path                   | what                                                            | source                    |
|------------------------|-----------------------------------------------------------------|---------------------------|
| GET, POST /token       | `consumer_key` and `consumer_secret` as fields of query or form | Seldon Server 1.4         |
| POST /oauth/token      | the client credentials grant; `scope` may narrow                | RFC 6749, sections 4.4, 5 |
| POST /oauth/revoke     | ends one of the client's own tokens, at once                    | RFC 7009                  |
| POST /oauth/introspect | tells whether one of the client's own tokens counts, for what   | RFC 7662                  |

At `/oauth/…` a client shows its key and secret by HTTP's Basic scheme or in the form, as client_id and client_secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote_plus

import orjson

from gaal.errors import (
    AccessError,
    GaalError,
    MessageError,
    PermissionDenied,
    SettingsError,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMedia,
)
from gaal.gateway.issuer import TokenIssuer
from gaal.storage.records import Key
from gaal.transport.bodies import media_type_of
from gaal.transport.error_bean import error_bean
from gaal.transport.errors import error_headers, http_status
from gaal.transport.jsonp import as_script, checked_callback
from gaal.transport.rest import Endpoint, Reply, Request

FORM = b"application/x-www-form-urlencoded"
NOT_STORED = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))

TOKEN_TYPE = "rummblelabs"
"""The constants of Seldon Server's reply, which its clients may compare."""

TOKEN_NAME = "token"


class TokenEndpoints:
    """The endpoints, which anybody may ask: the key and the secret say who it is."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self._issuer = issuer

    def endpoints(self) -> dict[str, Endpoint]:
        post = ("POST", "OPTIONS")
        return {
            "/token": Endpoint(("GET", "POST", "OPTIONS"), self.token, is_open=True),
            "/oauth/token": Endpoint(post, self.oauth_token, is_open=True),
            "/oauth/revoke": Endpoint(post, self.revoke, is_open=True),
            "/oauth/introspect": Endpoint(post, self.introspect, is_open=True),
        }

    # Seldon Server's -------------------------------------------------------------------------------------------------

    async def token(self, request: Request) -> Reply:
        callback = ""
        try:
            fields = fields_of(request)
            if request.method == "GET" and fields.get("jsonpCallback"):
                callback = checked_callback(fields["jsonpCallback"])
            reply = await self._token_bean(fields, request.peer)
        except GaalError as error:
            # Whatever it is, 400: so says the original, and its clients know it. Only being too fast is new.
            reply = error_bean(error, 429 if isinstance(error, TooManyRequests) else 400)
        reply = reply._replace(headers=[*reply.headers, *NOT_STORED])
        return as_script(reply, callback) if callback else reply

    async def _token_bean(self, fields: Mapping[str, str], peer: str) -> Reply:
        key = await self._issuer.authenticated(fields.get("consumer_key"), fields.get("consumer_secret"), peer)
        issued = await self._issuer.issue(key)
        bean = {
            "access_token": issued.text,
            "token_type": TOKEN_TYPE,
            "token_scope": issued.kept.scope,
            "expires_in": issued.lasts_s,
            "name": TOKEN_NAME,
        }
        return Reply(orjson.dumps(bean))

    # OAuth 2.0 -------------------------------------------------------------------------------------------------------

    async def oauth_token(self, request: Request) -> Reply:
        try:
            form = _oauth_form(request)
            key = await self._client(request, form)
            grant = form.get("grant_type")
            if grant != "client_credentials":
                unknown = MessageError(f"grant_type: must be client_credentials, got {grant or 'nothing'}")
                return _refused(unknown, "unsupported_grant_type" if grant else "invalid_request")
            issued = await self._issuer.issue(key, form.get("scope"))
        except GaalError as error:
            return _refused(error)
        reply = {
            "access_token": issued.text,
            "token_type": "Bearer",
            "expires_in": issued.lasts_s,
            "scope": issued.kept.scope,
        }
        return _told(reply)

    async def revoke(self, request: Request) -> Reply:
        try:
            form = _oauth_form(request)
            key = await self._client(request, form)
            # A token that is not there, or somebody else's, is as good as revoked: RFC 7009, section 2.2.
            await self._issuer.revoke(_given(form, "token"), key)
        except GaalError as error:
            return _refused(error)
        return Reply(b"", headers=NOT_STORED)

    async def introspect(self, request: Request) -> Reply:
        try:
            form = _oauth_form(request)
            key = await self._client(request, form)
            token = await self._issuer.describe(_given(form, "token"), key)
        except GaalError as error:
            return _refused(error)
        if token is None:
            return _told({"active": False})
        return _told(
            {
                "active": True,
                "scope": token.scope,
                "client_id": token.key,
                "sub": token.client,
                "token_type": "Bearer",
                "iat": int(token.issued_at),
                "exp": int(token.expires_at),
            }
        )

    async def _client(self, request: Request, form: Mapping[str, str]) -> Key:
        """The key that the request shows. Raises AccessError, and MessageError for one that shows two."""
        in_form = "client_secret" in form
        basic = _basic(request.headers.get(b"authorization"))
        if basic and in_form:
            raise MessageError("client_secret: must not be in the form where Authorization: Basic is given")
        key, secret = basic or (form.get("client_id"), form.get("client_secret"))
        if basic and form.get("client_id", key) != key:
            raise MessageError("client_id: must be that of Authorization: Basic, where both are given")
        return await self._issuer.authenticated(key, secret, request.peer)


def fields_of(request: Request) -> dict[str, str]:
    """The fields of the query and of the form, the first of each name. Raises MessageError."""
    fields = _parsed(request.query)
    if media_type_of(request.content_type) == FORM:
        fields = {**_parsed(request.body), **fields}
    return {name: values[0] for name, values in fields.items()}


def _oauth_form(request: Request) -> dict[str, str]:
    """The form. What is empty is as good as not there: RFC 6749, section 3.2. Raises MessageError."""
    if media_type_of(request.content_type) != FORM:
        named = request.content_type.decode("latin-1")
        raise UnsupportedMedia(f"Content-Type: must be {FORM.decode()}, got {named!r}")
    fields = _parsed(request.body)
    twice = sorted(name for name, values in fields.items() if len(values) > 1)
    if twice:
        raise MessageError(f"{', '.join(twice)}: must be given once")
    return {name: values[0] for name, values in fields.items() if values[0]}


def _parsed(form: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(form.decode("ascii"), keep_blank_values=True, max_num_fields=100)
    except ValueError:  # its text may have a secret in it
        raise MessageError("the form cannot be read: it must be ASCII, with at most 100 fields") from None


def _given(form: Mapping[str, str], name: str) -> str:
    if name not in form:
        raise MessageError(f"{name}: must be given")
    return form[name]


def _basic(header: bytes | None) -> tuple[str, str] | None:
    """User and password of `Authorization: Basic`, which OAuth encodes as form fields; None for another scheme."""
    scheme, _, given = (header or b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise MessageError("Authorization: Basic must be base64 of key:secret")
    return unquote_plus(user), unquote_plus(password)


def _told(value: object) -> Reply:
    return Reply(orjson.dumps(value), headers=NOT_STORED)


def _refused(error: GaalError, code: str = "") -> Reply:
    """The form of RFC 6749, section 5.2."""
    body = orjson.dumps({"error": code or _oauth_code(error), "error_description": _quotable(str(error))})
    if isinstance(error, Unauthenticated):
        return Reply(body, 401, headers=[(b"www-authenticate", b'Basic realm="gaal"'), *NOT_STORED])
    refused_here = isinstance(error, (MessageError, PermissionDenied, SettingsError))
    status = 400 if refused_here else http_status(error)
    headers = error_headers(error) if isinstance(error, TooManyRequests) else []
    return Reply(body, status, headers=[*headers, *NOT_STORED])


def _oauth_code(error: GaalError) -> str:
    match error:
        case Unauthenticated():
            return "invalid_client"
        case SettingsError() | PermissionDenied():
            return "invalid_scope"
        case MessageError():
            return "invalid_request"
        case AccessError():
            return "temporarily_unavailable"
        case _:
            return "server_error" if http_status(error) == 500 else "temporarily_unavailable"


def _quotable(text: str) -> str:
    """RFC 6749 allows in a description printable ASCII without quotation marks and backslashes."""
    one_line = " ".join(text.split()).replace('"', "'").replace("\\", "/")
    return one_line.encode("ascii", "replace").decode()
