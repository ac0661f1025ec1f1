"""JSONP: a reply as a script that hands it to a function of the page. For pages of other origins, as Seldon Server."""

from __future__ import annotations

import re

from gaal.errors import MessageError
from gaal.transport.rest import Reply

MAX_CALLBACK_CHARACTERS = 128

_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*", re.ASCII)


def checked_callback(name: str) -> str:
    """The name of a function, with dots in it or not: anything else would be code. Raises MessageError."""
    if len(name) > MAX_CALLBACK_CHARACTERS or not _CALLBACK.fullmatch(name):
        rule = f"must be the name of a function, at most {MAX_CALLBACK_CHARACTERS} characters"
        raise MessageError(f"jsonpCallback: {rule}, got {name[:MAX_CALLBACK_CHARACTERS]!r}")
    return name


def as_script(reply: Reply, callback: str) -> Reply:
    """The JSON reply as a call of the function, without a semicolon. `callback` has been checked."""
    return reply._replace(body=b"%s(%s)" % (callback.encode(), reply.body), content_type=b"application/javascript")
