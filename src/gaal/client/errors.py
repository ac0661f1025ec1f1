"""What the call of a client can end with.

* CallFailed
  x RequestRefused        the server says that the request is wrong: HTTP 4xx
    + Unauthenticated     there is no token, or none that counts
    + PermissionDenied    the token does not allow this
    + NotFound            there is no such path, deployment or unit      (also a gaal.errors.NotFound)
    + Overloaded          more, or larger, requests than the server takes
  x ServerFailed          the server, or the code of a model, broke: HTTP 5xx
  x Unavailable           nobody answers, or the server says that it cannot now   (also a gaal.errors.Unavailable)
    + DeadlineExceeded    the time given was up                          (also a gaal.errors.DeadlineExceeded)
  x BadReply              what came back is no reply of the protocol
    + ReplyTooLarge       more bytes than the client takes

What a client is given that it cannot send is a gaal.errors.MessageError, and a setting that it cannot have a
gaal.errors.SettingsError: both before anything is sent.
"""

from __future__ import annotations

from gaal import errors


class CallFailed(errors.GaalError):
    """The root. Its text says whom the client asked, and what came of it.

    `info` and `reason` are those of the protocol's form of an error; `info` is the text that there was where the
    reply had no such form. `http_status` or `grpc_code` is set where there was a reply. `retry_after_s` is how long
    the server wants to be left alone. `never_arrived` says that the server cannot have acted on the request.
    """

    reason = "CALL_FAILED"

    def __init__(
        self,
        place: str,
        info: str,
        *,
        reason: str = "",
        http_status: int | None = None,
        grpc_code: str | None = None,
        retry_after_s: float | None = None,
        never_arrived: bool = False,
    ) -> None:
        said = str(http_status) if http_status is not None else grpc_code
        super().__init__(f"{place}: {said}: {info}" if said else f"{place}: {info}")
        self.place = place
        self.info = info
        self.reason = reason or type(self).reason
        self.http_status = http_status
        self.grpc_code = grpc_code
        self.retry_after_s = retry_after_s
        self.never_arrived = never_arrived


class RequestRefused(CallFailed):
    """The server says that the request is wrong."""

    reason = "REQUEST_REFUSED"


class Unauthenticated(RequestRefused):
    """The server wants a token, or another one."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(RequestRefused):
    """The token is known, and does not allow this."""

    reason = "PERMISSION_DENIED"


class NotFound(RequestRefused, errors.NotFound):
    """There is no such path, deployment or unit."""

    reason = "NOT_FOUND"


class Overloaded(RequestRefused):
    """More requests than the server takes; over gRPC also one that is larger than it takes."""

    reason = "OVERLOADED"


class ServerFailed(CallFailed):
    """The server, or the code of a model, broke."""

    reason = "SERVER_FAILED"


class Unavailable(CallFailed, errors.Unavailable):
    """Nobody answers at the address, the connection broke, or the server says that it cannot take the call now."""

    reason = "UNAVAILABLE"


class DeadlineExceeded(Unavailable, errors.DeadlineExceeded):
    """The time that the caller gave was up, here or at the server."""

    reason = "DEADLINE_EXCEEDED"


class BadReply(CallFailed):
    """What came back is no reply of the protocol."""

    reason = "BAD_REPLY"


class ReplyTooLarge(BadReply):
    """The reply has more bytes than the client takes."""

    reason = "REPLY_TOO_LARGE"
