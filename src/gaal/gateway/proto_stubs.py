"""Python classes of what a client registered, as protoc writes them: `*_pb2.py`, and `*_pb2.pyi` with their types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from gaal.errors import MessageError
from gaal.gateway.proto_sources import run_protoc
from gaal.protocols.proto_types import ProtoTypes
from gaal.storage.records import Registration


def write_stubs(registration: Registration, folder: Path) -> Sequence[Path]:
    """Writes the modules into the folder, which is made, and gives their paths. Files of these names are replaced.

    Raises MessageError.
    """
    names = [file.name for file in ProtoTypes(registration.files).own_files()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="gaal-stub-") as at:
            (Path(at) / "set.binpb").write_bytes(registration.files)
            out = folder.absolute()
            options = [f"--descriptor_set_in={at}/set.binpb", f"--python_out={out}", f"--pyi_out={out}"]
            run_protoc([*options, *names], Path(at))
    except OSError as error:
        raise MessageError(f"{folder}: it cannot be written to ({error.strerror})") from None
    modules = [folder / f"{name.removesuffix('.proto').replace('-', '_')}_pb2" for name in names]
    return [path.with_name(f"{path.name}{suffix}") for path in modules for suffix in (".py", ".pyi")]
