"""Where files are: a local path, or a URL such as `s3://bucket/folder`, which fsspec reads if it is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PASSED_OVER = (".", "_")
"""What the names of files begin with that hold no data, such as `_SUCCESS` and `.part-0.crc`."""


def is_url(location: str) -> bool:
    return "://" in location


def load_folder(url: str, folder: Path, aws_key: str | None = None, aws_secret: str | None = None) -> None:
    """Copies the files of a remote folder into a local one."""
    files, root = _remote(url, aws_key, aws_secret)
    for remote in files.find(root):
        local = folder / _below(remote, root)
        local.parent.mkdir(parents=True, exist_ok=True)
        files.get_file(remote, str(local))


def save_folder(folder: Path, location: str, aws_key: str | None = None, aws_secret: str | None = None) -> None:
    """Copies the files of a local folder to a location, which is made. A local file is there whole, or not at all."""
    there = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if not is_url(location):
        for name, path in there.items():
            _copy_whole(path, Path(location) / name)
        return
    files, root = _remote(location, aws_key, aws_secret)
    for name, path in there.items():
        files.pipe_file(f"{root.rstrip('/')}/{name.as_posix()}", path.read_bytes())


def texts(location: str, aws_key: str | None = None, aws_secret: str | None = None) -> Iterator[str]:
    """The text of a file, or of each file of a folder in the order of their names."""
    if not is_url(location):
        yield from (path.read_text(encoding="utf-8") for path in _data_files(Path(location)))
        return
    files, root = _remote(location, aws_key, aws_secret)
    for remote in sorted(files.find(root)):
        if not os.path.basename(remote).startswith(PASSED_OVER):
            yield files.cat_file(remote).decode("utf-8")


def write_text(text: str, location: str, aws_key: str | None = None, aws_secret: str | None = None) -> None:
    if is_url(location):
        files, path = _remote(location, aws_key, aws_secret)
        files.pipe_file(path, text.encode("utf-8"))
    else:
        Path(location).parent.mkdir(parents=True, exist_ok=True)
        Path(location).write_text(text, encoding="utf-8")


def _data_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith(PASSED_OVER))


def _copy_whole(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.copyfile(source, unfinished)
    os.replace(unfinished, target)


def _below(remote: str, root: str) -> str:
    return remote.removeprefix(root.rstrip("/")).lstrip("/") or os.path.basename(remote)


def _remote(url: str, aws_key: str | None, aws_secret: str | None) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Raises ImportError where fsspec, or what it needs, is missing."""
    import fsspec

    url = f"s3://{url.removeprefix('s3n://')}" if url.startswith("s3n://") else url
    credentials = {"key": aws_key, "secret": aws_secret} if aws_key and url.startswith("s3://") else {}
    files, path = fsspec.core.url_to_fs(url, **credentials)
    return files, path
