"""Everything that can go wrong, grouped by whose fault it is.

* GaalError
  x MessageError          the caller sent something the protocol forbids
    + UnsupportedMedia    a content type or encoding that nobody reads here
    + MessageTooLarge     more bytes than the server takes
  x AccessError           the caller may not do this, or not now; `reason` says why in one word
    + Unauthenticated     no key, secret or token, or one that is unknown, expired or revoked
    + PermissionDenied    known, but not allowed
    + TooManyRequests     over a limit of the client, or too many failed secrets; tells when to come again
  x NotFound              there is no such path, deployment or unit
  x Conflict              what should be made is there already, with other contents
  x MethodNotAllowed      there is such a path, but not for this HTTP method
  x SettingsError         an option or environment variable has a value that it cannot have; holds every violation
  x GraphError            the deployment document contradicts itself; holds every violation
  x StrategyError         the algorithms of a client break the rules of predict_algs; holds every violation
  x StrategyMissing       nothing says which algorithm answers a client's predictions, or what says so cannot be used
  x ContractError         the contract of a model breaks the rules of contracts; holds every violation
  x ComponentError        the user's code raised, or answered the wrong kind of thing
    + ComponentRejected   the user's code said no, with a status and a reason of its own
    + ComponentAnswered   the user's code refused with a whole reply of its own
    + RemoteReply         a remote unit refused over REST, with an HTTP status and a body of its own
    + RemoteStatus        a remote unit refused over gRPC, with a code and a text of its own
    + ComponentLoadError  the user's code could not be found, imported or loaded
    + InvalidRouting      a router named a branch that is not there
  x Unavailable           a replica, remote unit or queue cannot take the call now
    + StoreError          the store cannot be read or written now
    + QueueFull           too many calls wait for a unit already
    + DeadlineExceeded    the time given was up

An error says the place, the rule and the value. It knows no status codes: `transport/errors.py` has the one
table from these classes to HTTP and gRPC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaal.messages import Message


class GaalError(Exception):
    """The root. `reason` is the machine-readable word that the Seldon protocol sends beside the text."""

    reason = "GAAL_ERROR"


class MessageError(GaalError):
    """The caller sent something the protocol forbids."""

    reason = "BAD_REQUEST"


class UnsupportedMedia(MessageError):
    """A content type or content encoding that is not served at this path."""

    reason = "UNSUPPORTED_MEDIA_TYPE"


class MessageTooLarge(MessageError):
    """The message has more bytes than the server takes."""

    reason = "MESSAGE_TOO_LARGE"


class AccessError(GaalError):
    """The caller may not do this, or not now. `reason` says why in one word, such as TOKEN_EXPIRED."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or type(self).reason


class Unauthenticated(AccessError):
    """No key, secret or token was given, or one that is unknown, wrong, expired or revoked."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(AccessError):
    """The caller is known, and not allowed to do this."""

    reason = "PERMISSION_DENIED"


class TooManyRequests(AccessError):
    """The caller is over a limit. It may come again after `retry_after_s` seconds."""

    reason = "TOO_MANY_REQUESTS"

    def __init__(self, message: str, retry_after_s: float, reason: str = "") -> None:
        super().__init__(message, reason)
        self.retry_after_s = retry_after_s


class NotFound(GaalError):
    """There is no such path, deployment or unit."""

    reason = "NOT_FOUND"


class Conflict(GaalError):
    """What should be made is there already, with other contents."""

    reason = "CONFLICT"


class MethodNotAllowed(GaalError):
    """The path exists, but not for this HTTP method. `allowed` lists those it has."""

    reason = "METHOD_NOT_ALLOWED"

    def __init__(self, message: str, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a document breaks: where (`spec.predictors[0].graph.type`), which rule, by which value."""

    path: str
    rule: str
    value: Any = None

    def __str__(self) -> str:
        shown = "" if self.value is None else f" (got {self.value!r})"
        return f"{self.path}: {self.rule}{shown}"


class SettingsError(GaalError):
    """Options or environment variables have values that they cannot have. `violations` has all of them."""

    reason = "BAD_SETTINGS"

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("\n".join(str(violation) for violation in self.violations))


class GraphError(GaalError):
    """The deployment document contradicts itself. `violations` has everything that is wrong, not only the first."""

    reason = "BAD_GRAPH"

    def __init__(self, source: str, violations: Sequence[Violation]) -> None:
        self.source = source
        self.violations = tuple(violations)
        lines = "\n".join(f"  {violation}" for violation in self.violations)
        super().__init__(f"{source}: {len(self.violations)} violation(s)\n{lines}")


class StrategyError(GaalError):
    """A `predict_algs` breaks the rules of its form. `violations` has everything that is wrong, not only the first."""

    reason = "BAD_STRATEGY"

    def __init__(self, source: str, violations: Sequence[Violation]) -> None:
        self.source = source
        self.violations = tuple(violations)
        lines = "\n".join(f"  {violation}" for violation in self.violations)
        super().__init__(f"{source}: {len(self.violations)} violation(s)\n{lines}")


class StrategyMissing(GaalError):
    """Nothing says which algorithm answers a client's predictions, or what says so cannot be used."""

    reason = "STRATEGY_MISSING"


class ContractError(GaalError):
    """A contract.json breaks the rules of its form. `violations` has everything that is wrong, not only the first."""

    reason = "BAD_CONTRACT"

    def __init__(self, source: str, violations: Sequence[Violation]) -> None:
        self.source = source
        self.violations = tuple(violations)
        lines = "\n".join(f"  {violation}" for violation in self.violations)
        super().__init__(f"{source}: {len(self.violations)} violation(s)\n{lines}")


class ComponentError(GaalError):
    """The code of a unit raised, or answered the wrong kind of thing."""

    reason = "MICROSERVICE_INTERNAL_ERROR"

    def __init__(self, unit: str, what: str) -> None:
        super().__init__(f'unit "{unit}": {what}')
        self.unit = unit
        self.what = what


class ComponentRejected(ComponentError):
    """The code of a unit refused the request on purpose, with an HTTP status and a reason of its own."""

    def __init__(self, unit: str, what: str, http_status: int, reason: str) -> None:
        super().__init__(unit, what)
        self.http_status = http_status
        self.reason = reason


class ComponentAnswered(ComponentError):
    """A raw method gave a reply whose `status.code` is an HTTP status other than 200. The graph ends with it."""

    def __init__(self, unit: str, reply: Message, http_status: int) -> None:
        super().__init__(unit, f"answered with status {http_status}")
        self.reply = reply
        self.http_status = http_status


class RemoteReply(ComponentError):
    """A remote unit answered over REST with another HTTP status than 200. A REST caller gets its reply as it is."""

    def __init__(self, unit: str, what: str, http_status: int, body: bytes, content_type: str) -> None:
        super().__init__(unit, what)
        self.http_status = http_status
        self.body = body
        self.content_type = content_type


class RemoteStatus(ComponentError):
    """A remote unit ended a gRPC call with another code than OK. A gRPC caller gets its code and text as they are."""

    def __init__(self, unit: str, what: str, grpc_code: int, text: str) -> None:
        super().__init__(unit, what)
        self.grpc_code = grpc_code
        self.text = text


class ComponentLoadError(ComponentError):
    """The code of a unit could not be found, imported, constructed or loaded."""

    reason = "COMPONENT_LOAD"


class InvalidRouting(ComponentError):
    """A router named a branch that is not there."""

    reason = "INVALID_ROUTING"


class Unavailable(GaalError):
    """A replica, remote unit or queue cannot take the call now."""

    reason = "UNAVAILABLE"


class StoreError(Unavailable):
    """The store cannot be read or written now: locked, full, read-only, corrupt or gone."""

    reason = "STORE_UNAVAILABLE"


class QueueFull(Unavailable):
    """As many calls wait for a unit as may wait. Later there may be room again."""

    reason = "QUEUE_FULL"


class DeadlineExceeded(Unavailable):
    """The time that the caller or the deployment gave was up."""

    reason = "DEADLINE_EXCEEDED"
