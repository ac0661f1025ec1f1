"""The form of an error in the protocols that have nothing but a text for it: `{"error": text}`."""

from __future__ import annotations

from gaal.errors import ComponentAnswered, GaalError
from gaal.transport.errors import http_status
from gaal.transport.rest import Reply, json_reply


def status_and_text(error: GaalError) -> tuple[int, str]:
    """What a component refused with, and its own words, where it did so by a whole reply."""
    if isinstance(error, ComponentAnswered):
        status = error.reply.status
        return error.http_status, (status.info or status.reason if status is not None else "") or str(error)
    return http_status(error), str(error)


def plain_error_reply(error: GaalError) -> Reply:
    status, text = status_and_text(error)
    return json_reply({"error": text})._replace(status=status)
