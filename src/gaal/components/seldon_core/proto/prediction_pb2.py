"""The messages of the Seldon protocol, by the names of the module that protoc would make of `prediction.proto`.

Their classes live in the private pool of `gaal.protocols.descriptors`. To protobuf, an Any made with its own
`any_pb2` is therefore of another class than the Any inside a SeldonMessage. What stands here takes either:
`SeldonMessage(customData=any_pb2.Any(...))` works as it would with the generated module. `CopyFrom` between the two
does not, `Pack`, `Unpack` and the bytes do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from gaal.errors import NotFound
from gaal.protocols.descriptors import message_class

__all__ = [
    "DefaultData",
    "Feedback",
    "Meta",
    "Metric",
    "RequestResponse",
    "SeldonGraphMetadata",
    "SeldonMessage",
    "SeldonMessageList",
    "SeldonMessageMetadata",
    "SeldonModelMetadata",
    "SeldonModelMetadataRequest",
    "Status",
    "Tensor",
]


class MessageType(type):
    """A stand-in for a message class: calling it makes a message, `isinstance` and attributes are the class's own."""

    def __call__(cls, **fields: Any) -> Message:
        return cls._class()(**{name: _of_our_pool(value) for name, value in fields.items()})

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls._class())

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._class(), name)

    def _class(cls) -> type[Message]:
        return message_class(f"seldon.protos.{cls.__name__}")


def _of_our_pool(value: Any) -> Any:
    """The value with every message in it as a message of our pool. Messages that only others know stay as they are."""
    match value:
        case Message():
            return _same_message(value)
        case Mapping():
            return {key: _of_our_pool(each) for key, each in value.items()}
        case [Message(), *_]:  # not a list of numbers, which may be long
            return [_of_our_pool(each) for each in value]
    return value


def _same_message(message: Message) -> Message:
    try:
        ours = message_class(message.DESCRIPTOR.full_name)
    except NotFound:
        return message
    return message if isinstance(message, ours) else ours.FromString(message.SerializeToString())


def _stand_in(name: str) -> Any:
    return MessageType(name, (), {})


DefaultData = _stand_in("DefaultData")
Feedback = _stand_in("Feedback")
Meta = _stand_in("Meta")
Metric = _stand_in("Metric")
RequestResponse = _stand_in("RequestResponse")
SeldonGraphMetadata = _stand_in("SeldonGraphMetadata")
SeldonMessage = _stand_in("SeldonMessage")
SeldonMessageList = _stand_in("SeldonMessageList")
SeldonMessageMetadata = _stand_in("SeldonMessageMetadata")
SeldonModelMetadata = _stand_in("SeldonModelMetadata")
SeldonModelMetadataRequest = _stand_in("SeldonModelMetadataRequest")
Status = _stand_in("Status")
Tensor = _stand_in("Tensor")
