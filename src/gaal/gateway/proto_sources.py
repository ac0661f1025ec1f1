"""From what a user has of its protobufs to a FileDescriptorSet: a `.proto`, a folder of them, such a set, or a jar.

The compiler runs in a process of its own, with a time limit: it is C++, and what it reads came from somebody.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from gaal.errors import MessageError
from gaal.protocols.own_types import OwnTypes
from gaal.protocols.proto_types import ProtoTypes, read_file_set
from gaal.storage.records import Registration

MAX_FILES = 1000
MAX_BYTES = 16 * 1024 * 1024
"""Of all sources of one registration together, and of the set that they compile to."""

MAX_ENTRIES = 20_000
"""Of a jar: a large library of Java has some thousand classes."""

COMPILE_TIMEOUT_S = 20.0

DESCRIPTORS_ENTRY = "META-INF/descriptors.binpb"
"""Where a jar has its FileDescriptorSet."""

_BESIDE_THE_POINT = re.compile(r": warning:|^WARNING: All log messages|^[IW]\d{4} ")
"""What protoc prints beside errors."""

_ZIP_MAGIC = b"PK\x03\x04"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def registration_of(
    client: str, path: Path, request_class: str = "", reply_class: str = "", includes: Sequence[Path] = ()
) -> Registration:
    """What a client registers. The classes may be named as in Java; without one of requests there must be one message.

    `includes` are folders where imports are looked for, beside that of the `.proto`.

    Raises MessageError for what cannot be read or does not compile, and NotFound for a class that is not in it.
    """
    files = read_source(path, includes)
    types = OwnTypes(files, request_class, reply_class)
    return Registration(client, files, types.request_class, types.reply_class, path.name)


def read_source(path: Path, includes: Sequence[Path] = ()) -> bytes:
    """The serialized FileDescriptorSet of a `.proto`, a folder, a set or a jar, with all that it imports."""
    if path.is_dir():
        return _checked(compile_protos(path, _protos_below(path), includes), path)
    if path.suffix == ".proto":
        _size(path)
        root = next((folder for folder in includes if path.absolute().is_relative_to(folder.absolute())), path.parent)
        name = path.absolute().relative_to(root.absolute()).as_posix()
        return _checked(compile_protos(root, [name], includes), path)
    content = _read(path)
    return _checked(_set_of_jar(content, path) if content.startswith(_ZIP_MAGIC) else content, path)


def write_jar(source: Path, jar: Path) -> None:
    """A jar of a `.proto` or a folder: the compiled set and the sources. The same sources give the same bytes.

    Raises MessageError.
    """
    files = read_source(source)
    folder = source if source.is_dir() else source.parent
    entries = {DESCRIPTORS_ENTRY: files}
    for file in ProtoTypes(files).own_files():
        if (folder / file.name).is_file():
            entries[file.name] = (folder / file.name).read_bytes()
    try:
        jar.parent.mkdir(parents=True, exist_ok=True)
        jar.write_bytes(_zipped(entries))
    except OSError as error:
        raise MessageError(f"{jar}: it cannot be written ({error.strerror})") from None


# Compiling


def compile_protos(root: Path, names: Sequence[str], includes: Sequence[Path] = ()) -> bytes:
    """The serialized set of files that are named by their paths below `root`, and of all that they import.

    Raises MessageError with what protoc says of it: file, line and column, the paths as `root` was given.
    """
    if find_spec("grpc_tools") is None:
        raise MessageError("a .proto needs the package grpcio-tools to be compiled; a FileDescriptorSet needs none")
    for each in includes:
        if ":" in str(each.absolute()) or "=" in str(each.absolute()) or not each.is_dir():
            raise MessageError(f"{each}: must be a folder to look for imports in, and have no : and no = in its path")
    with TemporaryDirectory(prefix="gaal-protoc-") as folder:
        out = Path(folder) / "descriptors.binpb"
        # protoc takes a ":" in an include for the end of a path, and "=" for a mapping, so the root is where it runs.
        options = ["-I.", *(f"-I{each.absolute()}" for each in includes), f"--descriptor_set_out={out}"]
        run_protoc([*options, "--include_imports", *(f"./{name}" for name in names)], root, includes)
        return out.read_bytes()


def run_protoc(arguments: Sequence[str], folder: Path, includes: Sequence[Path] = ()) -> None:
    """Runs protoc in a folder. Raises MessageError with what it complains of."""
    command = [sys.executable, "-P", "-m", "grpc_tools.protoc", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMPILE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise MessageError(f"{folder}: protoc was not done after {COMPILE_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise MessageError(f"{folder}: protoc cannot be run there ({error.strerror})") from None
    if done.returncode < 0:
        raise MessageError(f"{folder}: protoc was ended by signal {-done.returncode}")
    if done.returncode:
        raise MessageError(_complaint(done.stderr.decode(errors="replace"), folder, includes))


def _complaint(text: str, root: Path, includes: Sequence[Path]) -> str:
    """protoc's own lines, with the paths of files below root and includes as the user gave them."""

    def as_given(found: re.Match[str]) -> str:
        name = found[1].removeprefix("./")
        for folder in includes:
            if name.startswith(f"{folder.absolute()}/"):
                return f"{folder / Path(name).relative_to(folder.absolute())}:"
        return f"{root / name}:" if (root / name).is_file() else found[0]

    lines = [line for line in text.strip().splitlines() if not _BESIDE_THE_POINT.search(line)]
    return re.sub(r"^([^:\n]+\.proto):", as_given, "\n".join(lines[:50]), flags=re.MULTILINE) or "protoc failed"


def _protos_below(folder: Path) -> list[str]:
    """The files of a folder, by their paths below it, within the limits."""
    found: list[str] = []
    n_bytes = 0
    for path in sorted(folder.rglob("*.proto")):
        n_bytes += _size(path)
        found.append(path.relative_to(folder).as_posix())
        if len(found) > MAX_FILES or n_bytes > MAX_BYTES:
            raise MessageError(f"{folder}: must have at most {MAX_FILES} .proto files of {MAX_BYTES} bytes together")
    if not found:
        raise MessageError(f"{folder}: there is no .proto file below this folder")
    return found


# Files that are compiled already


def _checked(files: bytes, path: Path) -> bytes:
    """The set, complete and in order. Raises MessageError for one that is none."""
    if len(files) > MAX_BYTES:
        raise MessageError(f"{path}: must compile to at most {MAX_BYTES} bytes (got {len(files)})")
    try:
        found = read_file_set(files)
    except MessageError as error:
        rule = "must be a .proto, a folder of them, a FileDescriptorSet or a jar of create-proto-jar"
        raise MessageError(f"{path}: {rule}: {error}") from None
    if not found.file:
        raise MessageError(f"{path}: there is nothing in it")
    return found.SerializeToString(deterministic=True)


def _set_of_jar(content: bytes, path: Path) -> bytes:
    """The set that a jar brings, or that the `.proto` files in it compile to, as they stand in jars of Java classes."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as jar:
            entries = {entry.filename: entry for entry in _entries(jar, path)}
            if DESCRIPTORS_ENTRY in entries:
                return _entry(jar, entries[DESCRIPTORS_ENTRY], MAX_BYTES, path)
            sources = _sources(jar, entries, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise MessageError(f"{path}: the jar is damaged ({error})") from None
    if not sources:
        raise MessageError(
            f"{path}: the jar has neither {DESCRIPTORS_ENTRY} nor a .proto; make one by create-proto-jar"
        )
    with TemporaryDirectory(prefix="gaal-jar-") as folder:
        for name, source in sources.items():
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source)
        try:
            return compile_protos(Path(folder), sorted(sources))
        except MessageError as error:
            raise MessageError(str(error).replace(folder, str(path))) from None


def _entries(jar: zipfile.ZipFile, path: Path) -> Iterator[zipfile.ZipInfo]:
    if len(jar.infolist()) > MAX_ENTRIES:
        raise MessageError(f"{path}: must have at most {MAX_ENTRIES} entries (got {len(jar.infolist())})")
    for entry in jar.infolist():
        name = PurePosixPath(entry.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or ":" in entry.filename:
            raise MessageError(f"{path}: the entry {entry.filename!r} points out of the jar")
        yield entry


def _sources(jar: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], path: Path) -> dict[str, bytes]:
    names = [name for name in entries if name.endswith(".proto")]
    if len(names) > MAX_FILES:
        raise MessageError(f"{path}: must have at most {MAX_FILES} .proto files (got {len(names)})")
    sources: dict[str, bytes] = {}
    left = MAX_BYTES
    for name in names:
        sources[name] = _entry(jar, entries[name], left, path)
        left -= len(sources[name])
    return sources


def _entry(jar: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int, path: Path) -> bytes:
    """The content of an entry, of which never more than the limit is unpacked, whatever the entry says of its size."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MessageError(f"{path}: the entry {entry.filename!r} must be stored or deflated")
    with jar.open(entry) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise MessageError(f"{path}: must unpack to at most {MAX_BYTES} bytes")
    return content


def _zipped(entries: Mapping[str, bytes]) -> bytes:
    """A zip whose bytes depend on the entries alone: no time, no owner, and no compression, whose versions differ."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as jar:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            jar.writestr(entry, content)
    return out.getvalue()


def _read(path: Path) -> bytes:
    _size(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise MessageError(f"{path}: it cannot be read ({error.strerror})") from None


def _size(path: Path) -> int:
    """In bytes. Raises MessageError for what is no file that can be read, and for one beyond the limit."""
    try:
        if not path.is_file():
            raise MessageError(
                f"{path}: " + ("must be a file or a folder" if path.exists() else "there is no such file")
            )
        with path.open("rb") as file:
            n_bytes = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise MessageError(f"{path}: it cannot be read ({error.strerror})") from None
    if n_bytes > MAX_BYTES:
        raise MessageError(f"{path}: must have at most {MAX_BYTES} bytes (got {n_bytes})")
    return n_bytes
