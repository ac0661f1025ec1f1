"""Errors in the form of Seldon Server: `{"error_id": 8, "error_msg": "…", "http_response": 401}`."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from gaal.errors import GaalError
from gaal.transport.errors import error_headers, http_status
from gaal.transport.rest import Reply

GENERIC = 13

ERROR_IDS: Mapping[str, int] = {
    "KEY_INSECURE": 2,
    "KEY_INACTIVE": 3,
    "KEY_UNKNOWN": 5,
    "SECRET_WRONG": 6,
    "TOKEN_UNKNOWN": 7,
    "TOKEN_EXPIRED": 8,
    "STORE_UNAVAILABLE": 14,
    "TOKEN_MISSING": 15,
    "KEY_MISSING": 16,
    "SECRET_MISSING": 17,
    "METHOD_NOT_ALLOWED": 11,
    "SCOPE_NOT_ALLOWED": 20,
    "REFERRER_NOT_ALLOWED": 20,
    "NOT_FOUND": 21,
    "STRATEGY_MISSING": 37,
    "BAD_REQUEST": 38,
}
"""By the reason of the error. All others are GENERIC."""


def error_bean(error: GaalError, status: int | None = None) -> Reply:
    """The reply to a request that failed; `status` is HTTP's, for paths that have their own."""
    code = http_status(error) if status is None else status
    body = {"error_id": ERROR_IDS.get(error.reason, GENERIC), "error_msg": str(error), "http_response": code}
    return Reply(orjson.dumps(body), code, headers=error_headers(error))
