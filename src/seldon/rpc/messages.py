"""The messages of the Classifier API, in the descriptor pool that generated code uses.

A user's own `iris_pb2` packs its message into `google.protobuf.any_pb2.Any`, which belongs to protobuf's default pool.
So these messages must be there as well, unlike those of `gaal.protocols.descriptors`, whose file is copied here. This
module registers it when it is imported, as a generated one would.

The default pool takes a symbol once. Several packages have such a file; where one was imported first, its messages
are used, and what it lacks is added.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import any_pb2, descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass

from gaal.protocols.descriptors import file_containing_symbol

PACKAGE = "io.seldon.api.rpc"
REQUEST = f"{PACKAGE}.ClassificationRequest"
DEFAULT_PAYLOAD = f"{PACKAGE}.DefaultCustomPredictRequest"


IMPORTED = any_pb2.DESCRIPTOR
"""The file imports it, so it must be in the pool before."""


def _register() -> None:
    """Puts into the default pool what is not there already. Raises TypeError for a file that contradicts ours."""
    published = FileDescriptorProto.FromString(file_containing_symbol(REQUEST)[0])
    if not _is_known(REQUEST):
        descriptor_pool.Default().AddSerializedFile(published.SerializeToString())
    elif not _is_known(DEFAULT_PAYLOAD):  # in the definition of 2016 it was not there yet
        descriptor_pool.Default().AddSerializedFile(_default_payload_alone(published).SerializeToString())


def _is_known(message: str) -> bool:
    try:
        descriptor_pool.Default().FindMessageTypeByName(message)
    except KeyError:
        return False
    return True


def _default_payload_alone(published: FileDescriptorProto) -> FileDescriptorProto:
    alone = FileDescriptorProto(name="seldon_default_payload.proto", package=PACKAGE, syntax="proto3")
    alone.message_type.extend(each for each in published.message_type if DEFAULT_PAYLOAD.endswith(f".{each.name}"))
    return alone


def _message_class(name: str) -> Any:
    return GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(f"{PACKAGE}.{name}"))


_register()

DESCRIPTOR = descriptor_pool.Default().FindMessageTypeByName(REQUEST).file
ClassificationRequest = _message_class("ClassificationRequest")
ClassificationRequestMeta = _message_class("ClassificationRequestMeta")
ClassificationReply = _message_class("ClassificationReply")
ClassificationReplyMeta = _message_class("ClassificationReplyMeta")
ClassificationResult = _message_class("ClassificationResult")
DefaultCustomPredictRequest = _message_class("DefaultCustomPredictRequest")
