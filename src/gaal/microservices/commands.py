"""What to run for the target of a microservice: a command, and the folder to run it in.

A target is, in this order,

* the name of a registered image, which stands for another target;
* a Python script, `x.py`, or a folder with one;
* a class, `pkg.mod:Class`, or a module, `pkg.mod`, in the folder of components or where Python looks;
* a container image, where Docker runs;
* "", which is the pipeline alone, served by the programs of the package `seldon`.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from gaal.errors import NotFound
from gaal.storage.records import Microservice, Registration

HOST = "127.0.0.1"
CONTAINER_PORT = 5000
"""The port of a microservice in a container, as images made for Seldon Server have it."""

DESCRIPTION = "microservice.yaml"
DESCRIPTION_KEYS = ("script", "model_name", "pipeline")
PIPELINE_PROGRAMS = {
    "rest": "seldon.microservice.serve_rest",
    "rpc": "seldon.microservice.serve_rpc",
}
CLASS_PROGRAM = "gaal.cli.class_microservice"
DOCKER_CHECK_S = 10.0
CLASS_OR_MODULE = re.compile(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?")
IMAGE = re.compile(r"[\w][\w.:/@-]*")


@dataclass(frozen=True, slots=True)
class Command:
    """`undo` is a command for when it has ended, however it did."""

    arguments: tuple[str, ...]
    folder: Path
    undo: tuple[str, ...] = ()


def environment_of(port: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of a microservice: the server's, without those that are Gaal's own, and where to listen."""
    kept = {name: value for name, value in inherited.items() if not name.startswith("GAAL_")}
    here = {"GAAL_MICROSERVICE_HOST": HOST, "GAAL_MICROSERVICE_PORT": str(port), "PYTHONUNBUFFERED": "1"}
    return {**kept, **here}


def absolute(target: str, folder: Path) -> str:
    """The target as it is kept: of a path, the absolute one. Raises NotFound for a path where nothing is."""
    path = folder / Path(target).expanduser()
    if path.exists() and (looks_like_path(target) or not find_module(target, folder)):
        return str(path.resolve())
    if looks_like_path(target):
        raise NotFound(f'"{target}": there is no such file or folder')
    return target


def looks_like_path(target: str) -> bool:
    return target.endswith(".py") or target.startswith(("/", "./", "../", "~"))


class Commands:
    """Finds the command of a microservice. `images` are the registered ones, `app_dir` the folder of components.

    `types_dir` is where a class finds the protobufs that its client has registered.
    """

    def __init__(self, images: Mapping[str, str], app_dir: Path, types_dir: Path) -> None:
        self._images = images
        self._app_dir = app_dir.resolve()
        self._types_dir = types_dir

    def target_of(self, microservice: Microservice) -> str:
        return self._images.get(microservice.target, microservice.target)

    def command_of(self, microservice: Microservice, port: int, own: Registration | None = None) -> Command:
        """`own` are the client's protobufs. Raises NotFound where there is nothing that can be run here.

        Blocks: it looks at files, and for Docker.
        """
        target = self.target_of(microservice)
        if not target:
            return _pipeline(microservice)
        if Path(target).exists() and (Path(target).is_absolute() or looks_like_path(target)):
            return _script(microservice, Path(target).resolve())
        if looks_like_path(target):
            raise NotFound(f"{place_of(microservice)}: there is no such file or folder")
        if find_module(target, self._app_dir):
            return self._class(microservice, target, own) if is_class(target) else self._module(microservice, target)
        return _container(microservice, target, port)

    def _class(self, microservice: Microservice, target: str, own: Registration | None) -> Command:
        name = microservice.model_name or microservice.name
        arguments = (target, "--api", microservice.api, "--model-name", name, *self._types(own))
        return Command((sys.executable, "-m", CLASS_PROGRAM, *arguments), self._app_dir)

    def _module(self, microservice: Microservice, target: str) -> Command:
        pipeline = microservice.pipeline or str(self._app_dir)
        return Command((sys.executable, "-m", target, *_arguments(microservice, pipeline)), self._app_dir)

    def _types(self, own: Registration | None) -> tuple[str, ...]:
        """Arguments that say where the protobufs are, which are written there first."""
        if own is None:
            return ()
        self._types_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._types_dir / f"{own.client}-{sha256(own.files).hexdigest()[:16]}.binpb"
        path.write_bytes(own.files)
        return ("--types", str(path), "--request-class", own.request_class)


def place_of(microservice: Microservice) -> str:
    return f'microservice "{microservice.name}": target "{microservice.target}"'


def is_class(target: str) -> bool:
    """Whether it may be `pkg.mod:Class`; some images are called like that as well."""
    return ":" in target and CLASS_OR_MODULE.fullmatch(target) is not None


def find_module(target: str, app_dir: Path) -> bool:
    """Whether `pkg.mod` or `pkg.mod:Class` can be imported, as far as can be told without importing anything."""
    if not CLASS_OR_MODULE.fullmatch(target):
        return False
    package = target.partition(":")[0].split(".")[0]
    spec = PathFinder.find_spec(package, [str(app_dir), *sys.path])
    # A folder without any code is a package too, if you ask Python.
    return spec is not None and spec.origin is not None


def _pipeline(microservice: Microservice) -> Command:
    """Of a pipeline alone, in a folder or at a URL that the package `seldon` reads."""
    folder = microservice.pipeline
    if "://" not in folder and not Path(folder).is_dir():
        raise NotFound(f'microservice "{microservice.name}": pipeline "{folder}": there is no such folder')
    program = PIPELINE_PROGRAMS[microservice.api]
    return Command((sys.executable, "-m", program, *_arguments(microservice, folder)), Path("/"))


def _script(microservice: Microservice, path: Path) -> Command:
    folder = path if path.is_dir() else path.parent
    told = _description(microservice, folder) if path.is_dir() else {}
    script = path if path.is_file() else _script_in(microservice, folder, told)
    pipeline = microservice.pipeline or folder / told.get("pipeline", _usual_pipeline(folder))
    name = microservice.model_name or told.get("model_name", microservice.name)
    arguments = ("--model-name", name, "--pipeline", str(pipeline))
    return Command((sys.executable, str(script), *arguments), folder)


def _script_in(microservice: Microservice, folder: Path, told: Mapping[str, str]) -> Path:
    """The script that the folder's description names, else the only one with a `__main__` block."""
    named = [folder / told["script"]] if "script" in told else sorted(filter(_is_script, folder.glob("*.py")))
    found = [path for path in named if path.is_file()]
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in named)
    rule = f"must have one script with a __main__ block, or name one in {DESCRIPTION} as script"
    raise NotFound(f"{place_of(microservice)}: {folder}: {rule} (got {names or 'none'})")


def _description(microservice: Microservice, folder: Path) -> dict[str, str]:
    """What microservice.yaml says, all of it texts."""
    path = folder / DESCRIPTION
    if not path.is_file():
        return {}
    import yaml  # 20 ms that a server without such a folder need not wait for

    try:
        told: Any = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NotFound(f"{place_of(microservice)}: {path}: is no YAML: {error}") from None
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise NotFound(f"{place_of(microservice)}: {path}: must have a text for each of {', '.join(DESCRIPTION_KEYS)}")
    unknown = sorted(set(map(str, told)) - set(DESCRIPTION_KEYS))
    if unknown:
        raise NotFound(f"{place_of(microservice)}: {path}: {unknown[0]}: must be one of {', '.join(DESCRIPTION_KEYS)}")
    return told


def _usual_pipeline(folder: Path) -> str:
    return "pipeline" if (folder / "pipeline").is_dir() else ""


def _is_script(path: Path) -> bool:
    """Whether the file has a block `if __name__ == "__main__":`."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError, OSError):
        return False
    return any(isinstance(each, ast.If) and "__name__" in ast.dump(each.test) for each in body)


def _arguments(microservice: Microservice, pipeline: str) -> tuple[str, ...]:
    return ("--model-name", microservice.model_name or microservice.name, "--pipeline", pipeline)


def _container(microservice: Microservice, image: str, port: int) -> Command:
    if not IMAGE.fullmatch(image):
        raise NotFound(f"{place_of(microservice)}: is no path, Python target or image")
    docker = shutil.which("docker")
    if docker is None or not _docker_runs(docker):
        raise NotFound(f"{place_of(microservice)}: {_instead(microservice.target)}")
    container = f"gaal-{microservice.client}-{microservice.name}-{port}"
    run = (docker, "run", "--rm", "--name", container, "-p", f"{HOST}:{port}:{CONTAINER_PORT}", image)
    # A docker that is killed leaves its container running.
    return Command(run, Path("/"), undo=(docker, "rm", "--force", container))


def _docker_runs(docker: str) -> bool:
    """Whether there is a server behind the command."""
    try:
        asked = subprocess.run([docker, "version"], timeout=DOCKER_CHECK_S, capture_output=True, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return asked.returncode == 0


def _instead(target: str) -> str:
    return (
        "is no file, folder, module or registered image here, and Docker does not run here. Give a folder with a "
        f"script, a Python target (pkg.mod:Class), or say what stands for it: gaal image add {target} TARGET"
    )
