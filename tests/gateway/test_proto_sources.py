"""From a `.proto`, a folder, a set or a jar to a FileDescriptorSet, and what is refused."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gaal.errors import MessageError, NotFound
from gaal.gateway import proto_sources
from gaal.gateway.proto_sources import DESCRIPTORS_ENTRY, read_source, registration_of, write_jar
from gaal.gateway.proto_stubs import write_stubs
from gaal.protocols.own_types import OwnTypes

IRIS = """
syntax = "proto3";
package io.seldon.microservice.iris;
message IrisPredictRequest { float f1 = 1; float f2 = 2; float f3 = 3; float f4 = 4; }
"""
IRIS_CLASS = "io.seldon.microservice.iris.IrisPredictRequest"

PARTED = {
    "shop/order.proto": 'syntax = "proto3"; package shop; import "shop/line.proto"; message Order { Line line = 1; }',
    "shop/line.proto": 'syntax = "proto3"; package shop; message Line { string article = 1; }',
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the user stands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(sources: dict[str, str]) -> None:
    for name, text in sources.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names_of(files: bytes) -> list[str]:
    return [file.name for file in FileDescriptorSet.FromString(files).file]


def test_a_proto_is_compiled(folder: Path) -> None:
    write({"iris.proto": IRIS})
    found = registration_of("test", Path("iris.proto"))
    assert (found.client, found.request_class, found.reply_class, found.source) == (
        "test",
        IRIS_CLASS,
        "",
        "iris.proto",
    )
    assert OwnTypes(found.files, found.request_class).any_of({"f1": 1}).type_url.endswith(IRIS_CLASS)


def test_imports_are_found_beside_the_proto_and_where_it_is_said(folder: Path) -> None:
    needed = 'syntax = "proto3"; message B { string article = 1; }'
    write({"plain/a.proto": 'syntax = "proto3"; import "b.proto"; message A { B b = 1; }', "plain/b.proto": needed})
    assert names_of(read_source(Path("plain/a.proto"))) == ["b.proto", "a.proto"]
    write({f"protos/{name}": text for name, text in PARTED.items()})
    with pytest.raises(MessageError, match=r"shop/line\.proto: File not found"):
        read_source(Path("protos/shop/order.proto"))
    found = registration_of("test", Path("protos/shop/order.proto"), "Order", includes=[Path("protos")])
    assert names_of(found.files) == ["shop/line.proto", "shop/order.proto"]


def test_a_folder_is_compiled_whole(folder: Path) -> None:
    write({f"protos/{name}": text for name, text in PARTED.items()})
    assert registration_of("test", Path("protos"), "shop.Order", "shop.Line").reply_class == "shop.Line"


def test_a_descriptor_set_is_taken_as_it_is(folder: Path) -> None:
    write({"iris.proto": IRIS})
    files = read_source(Path("iris.proto"))
    Path("iris.binpb").write_bytes(files)
    assert read_source(Path("iris.binpb")) == files


@pytest.mark.parametrize("name", ["a:b=c", "-dash", "with blank"])
def test_odd_names_of_folders_do_not_disturb(folder: Path, name: str) -> None:
    write({f"{name}/iris.proto": IRIS})
    assert names_of(read_source(Path(name) / "iris.proto")) == ["iris.proto"]
    write({f"{name}/-x.proto": IRIS})
    assert names_of(read_source(Path(name) / "-x.proto")) == ["-x.proto"]


def test_what_does_not_compile_is_told_in_protocs_words_with_the_paths_of_the_user(folder: Path) -> None:
    write({"protos/bad.proto": 'syntax = "proto3";\nmessage A {\n  strin x = 1\n}\n'})
    with pytest.raises(MessageError) as caught:
        read_source(Path("protos/bad.proto"))
    assert str(caught.value).startswith('protos/bad.proto:4:1: Expected ";"')
    with pytest.raises(MessageError, match=rf"^{folder}/protos/bad\.proto:4:1: "):
        read_source(folder / "protos/bad.proto")
    write({"protos/bad.proto": 'syntax = "proto3"; import "sub/worse.proto";', "protos/sub/worse.proto": "message"})
    with pytest.raises(MessageError, match=r"(?m)^protos/sub/worse\.proto:1:"):
        read_source(Path("protos/bad.proto"))


def test_what_is_wrong_in_an_include_has_its_path_too(folder: Path) -> None:
    write({"own/a.proto": 'syntax = "proto3"; import "b.proto";', "more/b.proto": "message"})
    with pytest.raises(MessageError, match=r"(?m)^more/b\.proto:1:"):
        read_source(Path("own/a.proto"), [Path("more")])
    for name in ("nowhere", "own/a.proto", "with:colon"):
        with pytest.raises(MessageError, match=rf"{name}: must be a folder to look for imports in"):
            read_source(Path("own/a.proto"), [Path(name)])


def test_modules_that_lie_beside_the_proto_are_not_run(folder: Path) -> None:
    write(
        {"iris.proto": IRIS, "grpc_tools/__init__.py": "raise SystemExit('run')", "resource.py": "raise SystemExit(3)"}
    )
    assert names_of(read_source(Path("iris.proto"))) == ["iris.proto"]


def test_a_compiler_that_hangs_or_crashes_is_survived(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"iris.proto": IRIS})
    script = folder / "protoc"
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(proto_sources, "COMPILE_TIMEOUT_S", 0.2)
    for code, text in (("exec sleep 30", "protoc was not done"), ("kill -SEGV $$", "protoc was ended by signal 11")):
        script.write_text(f"#!/bin/sh\n{code}\n")
        script.chmod(0o755)
        with pytest.raises(MessageError, match=text):
            read_source(Path("iris.proto"))


def test_without_the_compiler_it_is_said_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"iris.proto": IRIS})
    monkeypatch.setattr(proto_sources, "find_spec", lambda name: None)
    with pytest.raises(MessageError, match="grpcio-tools"):
        read_source(Path("iris.proto"))


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("none.proto", None, r"none\.proto: there is no such file"),
        ("text.txt", b"hello there", r"text\.txt: must be a \.proto, a folder of them, a FileDescriptorSet or a jar"),
        ("empty.binpb", b"", r"empty\.binpb: there is nothing in it"),
        ("class.jar", b"PK\x03\x04 and no more", r"class\.jar: the jar is damaged"),
    ],
)
def test_what_is_no_source_is_refused(folder: Path, name: str, content: bytes | None, text: str) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(MessageError, match=text):
        read_source(Path(name))


def test_an_empty_folder_and_a_file_without_messages_are_refused(folder: Path) -> None:
    Path("nothing").mkdir()
    with pytest.raises(MessageError, match=r"nothing: there is no \.proto file below"):
        read_source(Path("nothing"))
    write({"none.proto": 'syntax = "proto3";'})
    with pytest.raises(NotFound, match="the messages are none"):
        registration_of("test", Path("none.proto"))


def test_sizes_are_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"protos/a.proto": IRIS, "protos/b.proto": 'syntax = "proto3"; message B {}'})
    monkeypatch.setattr(proto_sources, "MAX_FILES", 1)
    with pytest.raises(MessageError, match=r"protos: must have at most 1 \.proto files"):
        read_source(Path("protos"))
    monkeypatch.setattr(proto_sources, "MAX_BYTES", 100)
    with pytest.raises(MessageError, match=r"protos/a\.proto: must have at most 100 bytes"):
        read_source(Path("protos/a.proto"))


def test_a_file_that_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder, without_privileges(Path(folder)):
        proto = Path(folder) / "iris.proto"
        proto.write_text(IRIS)
        proto.chmod(0)
        with pytest.raises(MessageError, match=r"iris\.proto: it cannot be read"):
            read_source(proto)


@contextmanager
def without_privileges(folder: Path) -> Iterator[None]:
    """Lets root, who may read everything, be nobody for a while, with a folder that is nobody's."""
    nobody, user = 65534, os.geteuid()
    if user == 0:
        os.chown(folder, nobody, nobody)
        os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(user)


# Jars


def test_a_jar_of_a_proto_has_always_the_same_bytes_and_holds_set_and_sources(folder: Path) -> None:
    write({"iris.proto": IRIS})
    jars = [Path("a.jar"), Path("deep/er/b.jar")]
    for jar in jars:
        write_jar(Path("iris.proto"), jar)
    assert jars[0].read_bytes() == jars[1].read_bytes()
    with zipfile.ZipFile("a.jar") as opened:
        assert opened.namelist() == [DESCRIPTORS_ENTRY, "iris.proto"]
        assert opened.read("iris.proto").decode() == IRIS
    assert read_source(Path("a.jar")) == read_source(Path("iris.proto"))
    assert registration_of("test", Path("a.jar"), IRIS_CLASS).source == "a.jar"


def make_jar(entries: dict[str, str]) -> Path:
    with zipfile.ZipFile("made.jar", "w", zipfile.ZIP_DEFLATED) as jar:
        for name, text in entries.items():
            jar.writestr(name, text)
    return Path("made.jar")


def test_a_jar_with_sources_alone_is_compiled(folder: Path) -> None:
    jar = make_jar({**PARTED, "shop/Order.class": "Java"})
    assert names_of(read_source(jar)) == ["shop/line.proto", "shop/order.proto"]
    broken = make_jar({"bad.proto": "message"})
    with pytest.raises(MessageError, match=r"^made\.jar/bad\.proto:1:"):
        read_source(broken)


def test_a_jar_of_java_classes_alone_is_refused(folder: Path) -> None:
    with pytest.raises(
        MessageError, match=r"made\.jar: the jar has neither .* nor a \.proto; make one by create-proto-jar"
    ):
        read_source(make_jar({"a/B.class": "Java"}))


@pytest.mark.parametrize("name", ["../out.proto", "/abs.proto", "a/../../out.proto", "a\\..\\out.proto"])
def test_entries_that_point_out_of_the_jar_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(MessageError, match="points out of the jar"):
        read_source(make_jar({name: IRIS}))
    assert not (folder.parent / "out.proto").exists()


def test_a_zip_bomb_is_not_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proto_sources, "MAX_BYTES", 100_000)
    for name in (DESCRIPTORS_ENTRY, "a.proto"):
        with pytest.raises(MessageError, match=r"made\.jar: must unpack to at most 100000 bytes"):
            read_source(make_jar({name: " " * 10_000_000}))
    monkeypatch.setattr(proto_sources, "MAX_ENTRIES", 2)
    with pytest.raises(MessageError, match=r"must have at most 2 entries \(got 3\)"):
        read_source(make_jar(dict.fromkeys("abc", "")))


def test_a_jar_packed_in_a_way_that_jars_are_not_is_refused(folder: Path) -> None:
    with zipfile.ZipFile("made.jar", "w", zipfile.ZIP_LZMA) as jar:
        jar.writestr(DESCRIPTORS_ENTRY, b"x")
    with pytest.raises(MessageError, match="must be stored or deflated"):
        read_source(Path("made.jar"))


def test_a_jar_that_cannot_be_written_is_told(folder: Path) -> None:
    write({"iris.proto": IRIS, "file": ""})
    with pytest.raises(MessageError, match=r"file/out\.jar: it cannot be written"):
        write_jar(Path("iris.proto"), Path("file/out.jar"))


# Stubs


def test_stubs_are_python_modules_of_all_own_files(folder: Path) -> None:
    write({f"protos/{name}": text for name, text in PARTED.items()})
    registration = registration_of("test", Path("protos"), "shop.Order")
    written = write_stubs(registration, Path("out"))
    assert [str(path) for path in written] == [
        "out/shop/line_pb2.py", "out/shop/line_pb2.pyi", "out/shop/order_pb2.py", "out/shop/order_pb2.pyi",
    ]  # fmt: skip
    assert all(path.is_file() for path in written)
    assert "class Order" in Path("out/shop/order_pb2.pyi").read_text()
