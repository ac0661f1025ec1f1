"""A FileDescriptorSet as types that can be used: a private descriptor pool, and the names of its messages.

A message is found by its full name (`io.seldon.microservice.iris.IrisPredictRequest`), by the name of the class that
Java's compiler makes of it (which `java_package`, `java_outer_classname` and `java_multiple_files` decide), or by the
last part of either, where no other message has it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from importlib import import_module

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from gaal.errors import MessageError, NotFound
from gaal.protocols import descriptors

CLASSIFIER_FILE = "seldon.proto"
CLASSIFIER_PACKAGE = "io.seldon.api.rpc"

_WELL_KNOWN = re.compile(
    r"google/protobuf/"
    r"(any|api|descriptor|duration|empty|field_mask|source_context|struct|timestamp|type|wrappers)\.proto"
)


def read_file_set(files: bytes) -> FileDescriptorSet:
    """The FileDescriptorSet of these bytes, with the files that come with protobuf, each after those that it imports.

    Raises MessageError where an import is missing.
    """
    try:
        found = FileDescriptorSet.FromString(files)
    except DecodeError:
        raise MessageError("not a FileDescriptorSet: the bytes are malformed") from None
    by_name = {file.name: file for file in found.file}
    if len(by_name) != len(found.file) or "" in by_name:
        raise MessageError("a FileDescriptorSet needs files with names, and each of them once")
    for file in list(by_name.values()):
        _complete(file, by_name)
    try:
        order = list(TopologicalSorter({name: file.dependency for name, file in by_name.items()}).static_order())
    except CycleError as error:
        raise MessageError(f"the files import each other in a circle: {' → '.join(error.args[1])}") from None
    return FileDescriptorSet(file=[by_name[name] for name in order])


def _complete(file: FileDescriptorProto, by_name: dict[str, FileDescriptorProto]) -> None:
    for imported in file.dependency:
        if imported in by_name:
            continue
        found = _shipped(imported)
        if found is None:
            raise MessageError(f'{file.name} imports "{imported}", which is not in the set')
        by_name[imported] = found
        _complete(found, by_name)


def _shipped(name: str) -> FileDescriptorProto | None:
    """A file that users need not bring along."""
    if name == CLASSIFIER_FILE:
        return FileDescriptorProto.FromString(descriptors.file_by_name(name)[0])
    if (match := _WELL_KNOWN.fullmatch(name)) is None:
        return None
    module = import_module(f"google.protobuf.{match[1]}_pb2")
    return FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


class ProtoTypes:
    """The messages of a FileDescriptorSet. `files` is the set, complete and in order.

    Raises MessageError for a set that is none, or that protobuf refuses.
    """

    def __init__(self, files: bytes) -> None:
        self.files: Sequence[FileDescriptorProto] = list(read_file_set(files).file)
        self.pool = DescriptorPool()
        for file in self.files:
            try:
                self.pool.Add(file)
            except (TypeError, ValueError) as error:
                raise MessageError(f"{file.name}: {_plain(error)}") from None

    def own_files(self) -> Iterator[FileDescriptorProto]:
        """The files that are the user's: none of protobuf, and no copy of the classifier's."""
        for file in self.files:
            if not file.name.startswith("google/protobuf/") and file.package != CLASSIFIER_PACKAGE:
                yield file

    def message_names(self) -> list[str]:
        """The full names of the user's messages that stand in no other message."""
        return [_joined(file.package, message.name) for file in self.own_files() for message in file.message_type]

    def get(self, full_name: str) -> Descriptor | None:
        try:
            return self.pool.FindMessageTypeByName(full_name)
        except KeyError:
            return None

    def file_by_name(self, name: str) -> Sequence[bytes]:
        """As `descriptors.file_by_name`. A file that the server has under the same name is the server's."""
        by_name = {file.name: file for file in self.files}
        if name not in by_name:
            raise NotFound(f"no protobuf file is called {name!r}")
        return [by_name[name].SerializeToString(), *_imports_of(name, by_name)]

    def file_containing_symbol(self, symbol: str) -> Sequence[bytes]:
        """As `descriptors.file_containing_symbol`."""
        try:
            return self.file_by_name(self.pool.FindFileContainingSymbol(symbol).name)
        except KeyError:
            raise NotFound(f"no protobuf file defines {symbol!r}") from None

    def find(self, name: str) -> Descriptor:
        """By its full name, its name in Java, or the last part of either. Raises NotFound, which says what there is."""
        if (exact := self.get(name)) is not None:
            return exact
        wanted = name.replace("$", ".")
        names = [(full, java) for file in self.files for full, java in _names(file)]
        found = sorted({full for full, java in names if wanted == java})
        found = found or sorted({full for full, java in names if f".{java}".endswith(f".{wanted}")})
        found = found or sorted({full for full, java in names if f".{full}".endswith(f".{wanted}")})
        if len(found) == 1:
            return self.pool.FindMessageTypeByName(found[0])
        if found:
            raise NotFound(f'"{name}" may be any of {", ".join(found)}; name it in full')
        raise NotFound(f'no message is called "{name}"; {self._hint(name)}')

    def only(self) -> Descriptor:
        """The one message that there is. Raises NotFound where there are none or several."""
        names = self.message_names()
        if len(names) == 1:
            return self.pool.FindMessageTypeByName(names[0])
        raise NotFound(f"the class of requests must be named: {self._hint('')}")

    def _hint(self, name: str) -> str:
        names = self.message_names()
        last = {each.rpartition(".")[2]: each for each in names}
        near = get_close_matches(re.split(r"[.$]", name)[-1], last, n=1)
        known = "the messages are " + (", ".join(names[:20]) or "none") + (", …" if len(names) > 20 else "")
        return f"did you mean {last[near[0]]}? {known}" if near else known


def _imports_of(name: str, by_name: Mapping[str, FileDescriptorProto]) -> Iterator[bytes]:
    """All that a file imports. Of two copies of one file only the server's is told: they do not go together."""
    waiting, seen = [name], {name}
    while waiting:
        for imported in by_name[waiting.pop(0)].dependency:
            if imported not in seen:
                seen.add(imported)
                waiting.append(imported)
                yield _told(by_name[imported])


def _told(file: FileDescriptorProto) -> bytes:
    try:
        return descriptors.file_by_name(file.name)[0]
    except NotFound:
        return file.SerializeToString()


def _names(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """The full name and the Java name of every message of a file."""
    package = file.options.java_package or file.package
    outer = package if file.options.java_multiple_files else _joined(package, java_outer_class(file))
    yield from _names_below(file.message_type, file.package, outer)


def _names_below(messages: Sequence[DescriptorProto], full: str, java: str) -> Iterator[tuple[str, str]]:
    for message in messages:
        names = _joined(full, message.name), _joined(java, message.name)
        yield names
        yield from _names_below([each for each in message.nested_type if not each.options.map_entry], *names)


def java_outer_class(file: FileDescriptorProto) -> str:
    """The class that holds what a file defines: as the file says, else made from its name as protoc does."""
    if file.options.java_outer_classname:
        return file.options.java_outer_classname
    stem = file.name.rpartition("/")[2].removesuffix(".proto")
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", stem))
    name = re.sub(r"\d[a-z]", lambda found: found[0].upper(), name)
    taken = {each.name for kind in (file.message_type, file.enum_type, file.service) for each in kind}
    return f"{name}OuterClass" if name in taken else name


def _joined(package: str, name: str) -> str:
    return f"{package}.{name}" if package else name


def _plain(error: Exception) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split())
