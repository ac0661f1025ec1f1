"""The message classes of every protobuf protocol that Gaal speaks, in a descriptor pool of their own.

The default pool of protobuf refuses a second file of the same name. A user who has TensorFlow or the package
`seldon_core` in the same process has such files there already, so nothing here ever touches the default pool.

The definitions are the `.proto` files in `proto/`; what is loaded is `proto/descriptors.binpb`, which
`scripts/compile-protos` makes from them. Everything is loaded on first use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from threading import Lock

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gaal.errors import NotFound

PREDICTION_FILE = "prediction.proto"
WIRE_PACKAGE = "gaal.wire"
"""The package of the wire view, see `wire_view`."""


def pool() -> DescriptorPool:
    """The private pool, with every file of `proto/` and the wire view in it."""
    with _BUILDING:
        return _built_pool()


_BUILDING = Lock()
"""Two threads that came at once would get a pool each, and messages that do not fit into each other."""


@cache
def _built_pool() -> DescriptorPool:
    private = DescriptorPool()
    for file in _files().values():
        private.Add(file)
    private.Add(wire_view(_files()[PREDICTION_FILE]))
    return private


@cache
def message_class(full_name: str) -> type[Message]:
    """The class of a message such as `seldon.protos.SeldonMessage`. Raises NotFound for a name nobody defined."""
    try:
        descriptor = pool().FindMessageTypeByName(full_name)
    except KeyError:
        raise NotFound(f"no protobuf message is called {full_name!r}") from None
    return GetMessageClass(descriptor)


@cache
def service_names() -> tuple[str, ...]:
    """The full names of all services, in alphabetical order."""
    return tuple(sorted(f"{file.package}.{service.name}" for file in _files().values() for service in file.service))


@cache
def method_classes(service: str) -> dict[str, tuple[type[Message], type[Message]]]:
    """The request and the reply class of each method of a service. Raises NotFound for an unknown service."""
    try:
        descriptor = pool().FindServiceByName(service)
    except KeyError:
        raise NotFound(f"no protobuf service is called {service!r}") from None
    return {
        method.name: (message_class(method.input_type.full_name), message_class(method.output_type.full_name))
        for method in descriptor.methods
    }


def file_by_name(name: str) -> Sequence[bytes]:
    """A file and all that it imports, each as a serialized FileDescriptorProto, the file itself first.

    Raises NotFound.
    """
    if name not in _files():
        raise NotFound(f"no protobuf file is called {name!r}")
    return [_files()[found].SerializeToString() for found in _with_imports(name)]


def file_containing_symbol(symbol: str) -> Sequence[bytes]:
    """As `file_by_name`, for the file that defines a message, enum, service, method or field. Raises NotFound."""
    for find in (pool().FindFileContainingSymbol, _file_of_method):
        with suppress(KeyError):
            return file_by_name(find(symbol).name)
    raise NotFound(f"no protobuf file defines {symbol!r}")


def _file_of_method(symbol: str) -> FileDescriptor:
    return pool().FindMethodByName(symbol).containing_service.file


def wire_view(prediction: FileDescriptorProto) -> FileDescriptorProto:
    """The messages of a prediction.proto in the package `gaal.wire`, with the numbers of a message left as bytes.

    Bytes have the same wire form as packed doubles, and as a message: a length and that many bytes. So
    `Tensor.values` is repeated bytes here, an element for each packed chunk, of which arrays are made at no cost per
    number; doubles that came unpacked become unknown fields. `DefaultData.ndarray` is a serialized ListValue.
    """
    view = FileDescriptorProto()
    view.CopyFrom(prediction)
    view.name = "gaal/wire.proto"
    view.package = WIRE_PACKAGE
    view.ClearField("service")
    for message in view.message_type:
        for field in [*message.field, *(field for entry in message.nested_type for field in entry.field)]:
            if field.type_name.startswith(f".{prediction.package}."):
                field.type_name = f".{WIRE_PACKAGE}." + field.type_name.removeprefix(f".{prediction.package}.")
            if (message.name, field.name) in _LEFT_AS_BYTES:
                field.type = FieldDescriptorProto.TYPE_BYTES
                field.ClearField("type_name")
                field.ClearField("options")
    return view


_LEFT_AS_BYTES = {("Tensor", "values"), ("DefaultData", "ndarray")}


@cache
def _files() -> dict[str, FileDescriptorProto]:
    """The compiled files by their names, imports before those that import them."""
    compiled = files("gaal.protocols").joinpath("proto", "descriptors.binpb").read_bytes()
    return {file.name: file for file in FileDescriptorSet.FromString(compiled).file}


def _with_imports(name: str) -> Iterator[str]:
    waiting, seen = [name], {name}
    while waiting:
        name = waiting.pop(0)
        yield name
        new = [imported for imported in _files()[name].dependency if imported not in seen]
        seen.update(new)
        waiting.extend(new)
