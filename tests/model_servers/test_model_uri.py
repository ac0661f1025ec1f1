"""From a URI to files: where they are looked for, what is fetched, what is kept, and what is refused."""

from __future__ import annotations

import http.server
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from gaal_command import environment
from model_files import ROWS, document, dump, library, sklearn_model
from running import Run, ask, rows

from gaal.components.loading import ComponentLoader
from gaal.components.model_uri import (
    ModelStore,
    ModelUriError,
    default_cache,
    shown,
    storage_options,
    variables_of,
)
from gaal.errors import ComponentLoadError


class Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder over HTTP, with an ETag where `tag` says so. `n_bodies` counts what was fetched."""

    tag = True
    cut = False
    n_bodies = 0

    def end_headers(self) -> None:
        file = Path(self.translate_path(self.path))
        if Files.tag and file.exists():
            self.send_header("ETag", f'"{file.stat().st_mtime_ns}"')
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        Files.n_bodies += 1
        if Files.cut:
            outputfile.write(source.read(5))
            self.close_connection = True
        else:
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def far(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL at which its files are."""
    folder = tmp_path / "far"
    folder.mkdir()
    Files.tag, Files.cut, Files.n_bodies = True, False, 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "cache", environment={})


def test_local_files_are_used_where_they_are(store: ModelStore, tmp_path: Path) -> None:
    file = tmp_path / "a model.bin"
    file.write_bytes(b"1")
    for uri in (str(file), f"file://{file}".replace(" ", "%20"), f"file://localhost{file}"):
        assert store.fetch(uri) == file
    assert not store.cache.exists()
    with pytest.raises(ModelUriError, match="there is no such file or folder"):
        store.fetch(str(tmp_path / "other"))
    with pytest.raises(ModelUriError, match="three slashes, or names localhost"):
        store.fetch("file://host/model")


def test_a_claim_is_a_folder_that_a_setting_names(tmp_path: Path) -> None:
    (tmp_path / "mount/iris").mkdir(parents=True)
    store = ModelStore(tmp_path / "cache", {"models": tmp_path / "mount"})
    assert store.fetch("pvc://models/iris") == tmp_path / "mount/iris"
    assert store.fetch("pvc://models") == tmp_path / "mount"
    with pytest.raises(ModelUriError, match=r"--volumes must say where the claim other is; those it has are models"):
        store.fetch("pvc://other/iris")
    with pytest.raises(ModelUriError, match="the path leaves the claim models"):
        store.fetch("pvc://models/../secrets")


@pytest.mark.parametrize("tag", [True, False])
def test_a_file_is_fetched_once_and_again_when_it_has_changed(
    far: tuple[Path, str], store: ModelStore, tag: bool
) -> None:
    folder, url = far
    Files.tag = tag
    (folder / "model.bin").write_bytes(b"first")
    first = store.fetch(f"{url}/model.bin")
    assert (first.name, first.read_bytes()) == ("model.bin", b"first")
    assert store.fetch(f"{url}/model.bin") == first
    assert Files.n_bodies == (1 if tag else 2)  # without an ETag only the content tells
    (folder / "model.bin").write_bytes(b"second")
    os.utime(folder / "model.bin", ns=(1, 2))
    second = store.fetch(f"{url}/model.bin")
    assert second.read_bytes() == b"second"
    assert first.read_bytes() == b"first"
    assert [each for each in (store.cache / "models").iterdir() if each.name.endswith(".partial")] == []


def test_what_ends_too_early_leaves_nothing_that_looks_whole(far: tuple[Path, str], store: ModelStore) -> None:
    folder, url = far
    (folder / "model.bin").write_bytes(b"x" * 1000)
    Files.cut = True
    with pytest.raises(ModelUriError, match=r"/model.bin: cannot be fetched|expected 1000 bytes"):
        store.fetch(f"{url}/model.bin")
    assert [each for each in (store.cache / "models").iterdir() if not each.name.startswith(".")] == []
    Files.cut = False
    assert store.fetch(f"{url}/model.bin").read_bytes() == b"x" * 1000


KILLED = """
import os, signal, sys
from pathlib import Path
from gaal.components.model_uri import ModelStore
import fsspec

class Slow(fsspec.get_filesystem_class("memory")):
    def get_file(self, rpath, lpath, **kwargs):
        Path(lpath).write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

fsspec.register_implementation("memory", Slow, clobber=True)
Slow().pipe({"/model/a.bin": b"whole"})
ModelStore(Path(sys.argv[1])).fetch("memory://model")
"""


def test_a_killed_download_leaves_nothing_half_and_the_next_one_does_it_again(tmp_path: Path) -> None:
    fsspec = library("fsspec")

    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [each for each in (tmp_path / "models").iterdir() if not each.name.startswith(".")] == []
    fsspec.filesystem("memory").pipe({"/model/a.bin": b"whole", "/model/below/b.bin": b"too"})
    found = ModelStore(tmp_path).fetch("memory://model")
    assert {str(each.relative_to(found)) for each in found.rglob("*.bin")} == {"a.bin", "below/b.bin"}
    assert (found / "a.bin").read_bytes() == b"whole"
    assert [each for each in (tmp_path / "models").iterdir() if each.name.endswith(".partial")] == []


def test_a_folder_over_http_is_what_its_page_lists(far: tuple[Path, str], store: ModelStore) -> None:
    folder, url = far
    (folder / "iris").mkdir()
    (folder / "iris/model.joblib").write_bytes(b"1")
    (folder / "iris/metadata.yaml").write_bytes(b"name: iris")
    (folder / "elsewhere").write_bytes(b"2")
    found = store.fetch(f"{url}/iris/")
    assert sorted(each.name for each in found.iterdir()) == ["metadata.yaml", "model.joblib"]


def test_what_cannot_be_fetched_is_said_without_secrets(far: tuple[Path, str], store: ModelStore) -> None:
    _, url = far
    with pytest.raises(ModelUriError, match=r"/missing.bin: there is nothing") as raised:
        store.fetch(f"{url}/missing.bin?signature=secret")
    assert "secret" not in str(raised.value)
    with pytest.raises(ModelUriError, match=r"127.0.0.1:1/model: cannot be fetched") as raised:
        store.fetch("http://user:secret@127.0.0.1:1/model")
    assert "secret" not in str(raised.value)
    with pytest.raises(ModelUriError, match=r"there is no way to fetch nosuch://"):
        store.fetch("nosuch://bucket/model")
    assert shown("https://user:pw@host/a?b#c") == "https://host/a"
    assert shown("/a/path?with=questions") == "/a/path?with=questions"


@pytest.mark.parametrize(("uri", "extra"), [("s3://bucket/model", "s3"), ("gs://bucket/model", "gcs")])
def test_a_library_that_is_missing_is_named_with_the_command_that_installs_it(
    uri: str, extra: str, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, {"s3": "s3fs", "gcs": "gcsfs"}[extra], None)
    with pytest.raises(ModelUriError, match=rf"pip install 'gaal\[{extra}\]'"):
        store.fetch(uri)


def test_the_variables_of_a_secret_come_before_those_of_the_process() -> None:
    environment = {"AWS_REGION": "eu", "AWS_ACCESS_KEY_ID": "ours", "MY_SECRET_AWS_ACCESS_KEY_ID": "theirs"}
    assert variables_of("my-secret", environment)["AWS_ACCESS_KEY_ID"] == "theirs"
    assert variables_of("", environment)["AWS_ACCESS_KEY_ID"] == "ours"
    options = storage_options("s3", "S3", {**variables_of("my-secret", environment), "AWS_SECRET_ACCESS_KEY": "s"})
    assert options == {"key": "theirs", "secret": "s", "client_kwargs": {"region_name": "eu"}}


def test_a_remote_of_rclone_says_what_it_is_and_how_to_get_in(store: ModelStore) -> None:
    remote = {"RCLONE_CONFIG_MINIO_ACCESS_KEY_ID": "k", "RCLONE_CONFIG_MINIO_ENDPOINT": "http://minio:9000"}
    options = storage_options("s3", "MINIO", {**remote, "AWS_ACCESS_KEY_ID": "other"})
    assert options == {"key": "k", "endpoint_url": "http://minio:9000"}
    assert storage_options("gs", "GS", {"RCLONE_CONFIG_GS_ANONYMOUS": "true"}) == {"token": "anon"}
    assert storage_options("https", "HTTPS", {}) == {}
    as_rclone = ModelStore(store.cache, environment={"RCLONE_CONFIG_MINIO_TYPE": "nosuch"})
    for uri in ("minio:bucket/model", "minio://bucket/model"):
        with pytest.raises(ModelUriError, match="there is no way to fetch minio://"):
            as_rclone.fetch(uri)


def test_the_cache_is_where_the_desktop_says() -> None:
    assert default_cache({"XDG_CACHE_HOME": "/c"}) == Path("/c/gaal")
    assert default_cache({}) == Path.home() / ".cache/gaal"


async def test_a_pickle_from_a_network_is_warned_of_and_refused_where_it_is_forbidden(
    far: tuple[Path, str], run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = far
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = sklearn_model()
    dump(model, folder / "model.joblib")
    with caplog.at_level(logging.WARNING):
        running = await run(document("SKLEARN_SERVER", f"{url}/model.joblib"))
        await ask(running, rows(*ROWS))
        await ask(running, rows(*ROWS))
    warned = [each for each in caplog.messages if "can run code when it is loaded" in each]
    assert warned == [f"{url}/model.joblib: model.joblib comes from a network, and can run code when it is loaded"]
    strict = partial(ComponentLoader, models=ModelStore(tmp_path / "cache", allows_pickle=False))
    monkeypatch.setattr("running.ComponentLoader", strict)
    with pytest.raises(ComponentLoadError, match=r"model.joblib can run code when it is loaded.*--no-pickle forbids"):
        await run(document("SKLEARN_SERVER", folder))


def test_a_folder_of_mlflow_with_a_pickle_or_code_in_it_is_refused_too(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "cache", allows_pickle=False)
    file = tmp_path / "model/MLmodel"
    file.parent.mkdir()
    file.write_text("")
    store.check_pickle(file, str(file), always=False)
    (file.parent / "model.xgb").write_text("")
    store.check_pickle(file, str(file), always=False)
    for name in ("python_model.pkl", "code/mine.py"):
        (file.parent / name).parent.mkdir(exist_ok=True)
        (file.parent / name).write_text("")
        with pytest.raises(ModelUriError, match=rf"{Path(name).name} can run code"):
            store.check_pickle(file, str(file), always=False)
        (file.parent / name).unlink()
