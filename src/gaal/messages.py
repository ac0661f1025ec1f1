"""The one in-memory form of every request and reply, whatever protocol it came in and goes out by.

A codec in `protocols/` makes a `Message` from bytes and bytes from a `Message`. Between the two, units hand
messages to each other as they are: an array that one unit made is the very array that the next one gets.

Messages are not frozen (freezing costs a microsecond a request) but are treated as if they were: whoever wants
another one makes another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from gaal.errors import MessageError

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
Array: TypeAlias = npt.NDArray[Any]


class Encoding(Enum):
    """The family of wire forms that a message came in; a unit's reply goes out in the same one."""

    JSON = "json"
    PROTO = "proto"


class Kind(Enum):
    """What a payload is. The values are the field names of the Seldon protocol, which has none for TENSORS."""

    TENSOR = "tensor"
    NDARRAY = "ndarray"
    TFTENSOR = "tftensor"
    BIN_DATA = "binData"
    STR_DATA = "strData"
    JSON_DATA = "jsonData"
    CUSTOM_DATA = "customData"
    TENSORS = "tensors"

    is_data: bool
    """Whether it is one of the three forms of `data`: an array, with names for its columns."""

    def __init__(self, value: str) -> None:
        # An attribute, because looking a member up in a set costs a call to Enum.__hash__.
        self.is_data = value in ("tensor", "ndarray", "tftensor")


class Payload:
    """The payload of a message: a kind, column names, and a value that is decoded when someone looks at it.

    | kind          | `value`                                                               |
    |---------------|-----------------------------------------------------------------------|
    | TENSOR        | np.ndarray, any shape, numeric                                        |
    | NDARRAY       | np.ndarray, or nested lists of JSON values as they came               |
    | TFTENSOR      | np.ndarray, any shape, numeric, bool, or bytes objects (dtype object) |
    | BIN_DATA      | bytes                                                                 |
    | STR_DATA      | str                                                                   |
    | JSON_DATA     | any JSON value                                                        |
    | CUSTOM_DATA   | google.protobuf.Any                                                   |
    | TENSORS       | dict of np.ndarray: several inputs or outputs that are no table       |

    `source` is the form that the payload came in, as long as nothing else is known: the codec that made it may
    write it out again without decoding. `decode(source)` gives the value, or raises MessageError.
    """

    __slots__ = ("_array", "_decode", "_value", "kind", "names", "source")

    def __init__(self, kind: Kind, value: Any, names: Sequence[str] = ()) -> None:
        self.kind = kind
        self.names = names
        self.source: Any = None
        self._value = value
        self._decode: Callable[[Any], Any] | None = None
        self._array: Array | None = None

    @classmethod
    def undecoded(cls, kind: Kind, source: Any, decode: Callable[[Any], Any], names: Sequence[str] = ()) -> Payload:
        payload = cls(kind, None, names)
        payload.source = source
        payload._decode = decode
        return payload

    @property
    def value(self) -> Any:
        if self._decode is not None:
            self._value = self._decode(self.source)
            self._decode = None
        return self._value

    @property
    def array(self) -> Array:
        """The value of a data kind as an array: what a component gets to see. Always the same object."""
        if self._array is None:
            value = self.value
            self._array = value if isinstance(value, np.ndarray) else array_of(value)
        return self._array

    def copy(self) -> Payload:
        """A payload that shares nothing mutable with this one."""
        if self._decode is not None:
            return Payload.undecoded(self.kind, self.source, self._decode, self.names)
        if self._array is not None:
            # A component may have written into it, so the form that it came in tells nothing any more.
            return Payload(self.kind, deepcopy(self._array), self.names)
        copy = Payload(self.kind, deepcopy(self._value), self.names)
        if self.kind.is_data:
            copy.source = self.source
        return copy

    def __repr__(self) -> str:
        return f"Payload({self.kind.name}, {self.value!r}, names={list(self.names)!r})"


def array_of(value: Any) -> Array:
    """Nested lists as an array: numbers stay numbers, mixed rows become strings, ragged ones an array of lists.

    Source: what the Python wrapper of Seldon Core gives a model (`[[1, "a"]]` → `[["1", "a"]]`).
    """
    try:
        return np.asarray(value)
    except ValueError:  # ragged: NumPy refuses to guess
        ragged = np.empty(len(value), dtype=object)
        ragged[:] = value
        return ragged
    except OverflowError as error:
        raise MessageError(f"data: a number does not fit into 64 bits: {error}") from None


MetricType: TypeAlias = Literal["COUNTER", "GAUGE", "TIMER"]

METRIC_TYPES: tuple[MetricType, ...] = ("COUNTER", "GAUGE", "TIMER")
"""In the order of their numbers in the protocol."""


@dataclass(slots=True)
class Metric:
    """A custom metric that a component reports: a counter's increment, a gauge's value, or a duration in ms."""

    key: str
    type: MetricType
    value: float
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Meta:
    """What a message says about itself. `routing` holds a branch a router; −1 is all, −2 none."""

    puid: str = ""
    tags: Mapping[str, Json] = field(default_factory=dict)
    routing: Mapping[str, int] = field(default_factory=dict)
    request_path: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[Metric] = ()


NO_META = Meta()


@dataclass(slots=True)
class Status:
    code: int = 0
    info: str = ""
    reason: str = ""
    status: Literal["SUCCESS", "FAILURE"] = "SUCCESS"


@dataclass(slots=True)
class Message:
    """A request or a reply. `encoding` is the family of wire forms it came in."""

    payload: Payload | None = None
    meta: Meta = field(default_factory=lambda: NO_META)
    status: Status | None = None
    encoding: Encoding = Encoding.JSON

    def copy(self) -> Message:
        """A message whose payload shares nothing mutable with this one."""
        return Message(self.payload and self.payload.copy(), self.meta, self.status, self.encoding)


@dataclass(slots=True)
class Feedback:
    """What became of a prediction. `response.meta.routing` tells which branches it took."""

    request: Message | None = None
    response: Message | None = None
    reward: float = 0.0
    truth: Message | None = None
    encoding: Encoding = Encoding.JSON


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a unit says about its model. `inputs` and `outputs` are JSON objects in the protocol's form."""

    name: str = ""
    versions: Sequence[str] = ()
    platform: str = ""
    inputs: Sequence[Mapping[str, Json]] = ()
    outputs: Sequence[Mapping[str, Json]] = ()
    custom: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphMetadata:
    """The metadata of every unit of a predictor, and what goes into and comes out of the whole graph."""

    name: str
    models: Mapping[str, ModelMetadata]
    inputs: Sequence[Mapping[str, Json]] = ()
    outputs: Sequence[Mapping[str, Json]] = ()
