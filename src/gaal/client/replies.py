"""What a call of a client gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gaal.errors import MessageError
from gaal.messages import Array, Message, Meta
from gaal.protocols import seldon_json

if TYPE_CHECKING:
    import pandas


class Reply:
    """The reply to a prediction or a feedback. `request` is the message that was sent, `message` the one that came."""

    __slots__ = ("message", "request")

    def __init__(self, message: Message, request: Message | None = None) -> None:
        self.message = message
        self.request = request

    @property
    def data(self) -> Any:
        """The payload: an array for tensor, ndarray and tftensor; str, bytes or a JSON value for the others.

        None where the reply has no payload.
        """
        payload = self.message.payload
        if payload is None:
            return None
        return payload.array if payload.kind.is_data else payload.value

    @property
    def names(self) -> list[str]:
        """The names of the columns, if there are any."""
        return list(self.message.payload.names) if self.message.payload else []

    @property
    def meta(self) -> Meta:
        """puid, tags, routing, request path and metrics."""
        return self.message.meta

    @property
    def puid(self) -> str:
        """The id of the prediction."""
        return self.message.meta.puid

    def dataframe(self) -> pandas.DataFrame:
        """The array as a table, with its names as columns where there is one for each. Needs pandas.

        An array of shape (n,) is a table of one column. Raises MessageError for a payload that is no table.
        """
        import pandas

        array = self._array()
        if array.ndim > 2 or array.ndim == 0:
            raise MessageError(f"the reply is no table: its array has the shape {array.shape}")
        rows = array.reshape(len(array), -1) if array.size else array
        names = self.names if rows.ndim == 2 and len(self.names) == rows.shape[1] else None
        return pandas.DataFrame(rows, columns=names)

    def to_json(self) -> bytes:
        """The reply in the protocol's JSON, whatever transport it came by."""
        return seldon_json.encode_message(self.message)

    def _array(self) -> Array:
        payload = self.message.payload
        if payload is None or not payload.kind.is_data:
            raise MessageError(f"the reply has no array: its payload is {payload.kind.value if payload else 'missing'}")
        return payload.array

    def __repr__(self) -> str:
        return f"Reply({self.data!r}, names={self.names!r}, meta={self.meta!r})"
