"""What is run for the target of a microservice."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gaal.errors import NotFound
from gaal.microservices.commands import Commands, absolute, environment_of
from gaal.storage.records import Api, Microservice, Registration

MAIN = "if __name__ == '__main__':\n    pass\n"
DOCKER = """#!/bin/sh
[ "$1" = version ] && exit %d
exec sleep 1000
"""


def arguments_of(
    folder: Path,
    target: str,
    *,
    api: Api = "rpc",
    images: dict[str, str] | None = None,
    model_name: str = "",
    pipeline: str = "",
    own: Registration | None = None,
) -> list[str]:
    """The command, without the interpreter if it is Python's."""
    row = Microservice("test", "m", target, api, model_name, pipeline)
    command = Commands(images or {}, folder, folder / "types").command_of(row, 4711, own)
    return [each for each in command.arguments if each != sys.executable]


def test_a_folder_with_one_script_runs_that_with_the_names_that_it_expects(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(MAIN)
    (tmp_path / "library.py").write_text("name = __name__\n")
    expected = [str(tmp_path / "serve.py"), "--model-name", "m", "--pipeline", str(tmp_path)]
    assert arguments_of(tmp_path, str(tmp_path)) == expected
    (tmp_path / "pipeline").mkdir()
    assert arguments_of(tmp_path, str(tmp_path))[-1] == str(tmp_path / "pipeline")


def test_a_description_says_which_script_with_which_arguments(tmp_path: Path) -> None:
    for name in ("train.py", "serve.py"):
        (tmp_path / name).write_text(MAIN)
    (tmp_path / "microservice.yaml").write_text("script: serve.py\nmodel_name: model_x\npipeline: trained\n")
    expected = [str(tmp_path / "serve.py"), "--model-name", "model_x", "--pipeline", str(tmp_path / "trained")]
    assert arguments_of(tmp_path, str(tmp_path)) == expected


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "got none"),
        ({"a.py": MAIN, "b.py": MAIN}, "got a.py, b.py"),
        ({"a.py": MAIN, "microservice.yaml": "script: b.py"}, "got b.py"),
        ({"microservice.yaml": "[a"}, "is no YAML"),
        ({"microservice.yaml": "script: [a]"}, "must have a text for each"),
        ({"microservice.yaml": "scrip: a.py"}, "scrip: must be one of script, model_name, pipeline"),
    ],
)
def test_a_folder_that_leaves_it_open_what_to_run_is_refused(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(NotFound, match=r'microservice "m": target ') as raised:
        arguments_of(tmp_path, str(tmp_path))
    assert said in str(raised.value)


def test_a_script_runs_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(MAIN)
    given = arguments_of(tmp_path, str(script), model_name="x", pipeline="/p")
    assert given == [str(script), "--model-name", "x", "--pipeline", "/p"]


def test_a_class_and_a_module_are_looked_for_in_the_folder_of_components(tmp_path: Path) -> None:
    (tmp_path / "models.py").touch()
    served = ["-m", "gaal.cli.class_microservice", "models:Model", "--api", "rest", "--model-name", "m"]
    assert arguments_of(tmp_path, "models:Model", api="rest") == served
    assert arguments_of(tmp_path, "models") == ["-m", "models", "--model-name", "m", "--pipeline", str(tmp_path)]


def test_a_class_is_told_the_protobufs_of_its_client(tmp_path: Path) -> None:
    (tmp_path / "models.py").touch()
    given = arguments_of(tmp_path, "models:Model", own=Registration("test", b"files", "pkg.Request"))
    assert given[-2:] == ["--request-class", "pkg.Request"]
    assert Path(given[given.index("--types") + 1]).read_bytes() == b"files"


def test_a_pipeline_alone_is_served_by_the_package_seldon(tmp_path: Path) -> None:
    arguments = ["--model-name", "m", "--pipeline", str(tmp_path)]
    assert arguments_of(tmp_path, "", pipeline=str(tmp_path)) == ["-m", "seldon.microservice.serve_rpc", *arguments]
    assert arguments_of(tmp_path, "", api="rest", pipeline=str(tmp_path))[1] == "seldon.microservice.serve_rest"
    assert arguments_of(tmp_path, "", pipeline="s3://bucket/pipeline")[-1] == "s3://bucket/pipeline"
    with pytest.raises(NotFound, match='pipeline "/no/such": there is no such folder'):
        arguments_of(tmp_path, "", pipeline="/no/such")


def test_a_registered_image_is_what_stands_for_it(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(MAIN)
    assert arguments_of(tmp_path, "owner/image:1", images={"owner/image:1": str(script)})[0] == str(script)


def test_another_image_is_run_by_docker_and_removed_when_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = _docker(tmp_path, monkeypatch, status=0)
    command = Commands({}, tmp_path, tmp_path).command_of(Microservice("test", "m", "owner/image:1", "rpc"), 4711)
    run = (docker, "run", "--rm", "--name", "gaal-test-m-4711", "-p", "127.0.0.1:4711:5000", "owner/image:1")
    assert command.arguments == run
    assert command.undo == (docker, "rm", "--force", "gaal-test-m-4711")


@pytest.mark.parametrize("target", ["owner/image:1", "redis:latest", "nothing"])
def test_where_docker_does_not_run_an_error_says_what_to_give_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    _docker(tmp_path, monkeypatch, status=1)
    with pytest.raises(NotFound, match=f"Docker does not run here.*gaal image add {target} TARGET"):
        arguments_of(tmp_path, target)


@pytest.mark.parametrize("target", ["/no/such/folder", "./here", "none.py"])
def test_a_path_where_nothing_is_is_no_image(tmp_path: Path, target: str) -> None:
    with pytest.raises(NotFound, match="there is no such file or folder"):
        arguments_of(tmp_path, target)
    with pytest.raises(NotFound, match="there is no such file or folder"):
        absolute(target, tmp_path)


def test_a_path_is_kept_as_the_absolute_one_and_anything_else_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "serve.py").touch()
    assert absolute("folder", tmp_path) == str(tmp_path / "folder")
    assert absolute("serve.py", tmp_path) == str(tmp_path / "serve.py")
    assert absolute("serve", tmp_path) == "serve"
    assert absolute("owner/image:1", tmp_path) == "owner/image:1"


def test_what_else_is_no_name_of_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is no path, Python target or image"):
        arguments_of(tmp_path, "--privileged image")


def test_variables_of_gaal_stay_with_gaal() -> None:
    variables = environment_of(4711, {"GAAL_DATABASE": "secret", "PATH": "/bin"})
    assert variables == {
        "PATH": "/bin",
        "PYTHONUNBUFFERED": "1",
        "GAAL_MICROSERVICE_HOST": "127.0.0.1",
        "GAAL_MICROSERVICE_PORT": "4711",
    }


def _docker(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> str:
    """A docker whose server answers, or does not."""
    (folder / "bin").mkdir()
    docker = folder / "bin" / "docker"
    docker.write_text(DOCKER % status)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return str(docker)
