"""What the wrappers share: a folder to work in, and objects that are kept as a folder with one pickle in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seldon.locations import is_url, load_folder, save_folder


class WorkFolder:
    """Saves objects at a location and loads them from there: a local folder, or a URL that fsspec reads.

    `aws_key` and `aws_secret` are for `s3://`; without them s3fs finds credentials where it always does.
    """

    def __init__(self, work_folder: str = "/tmp", aws_key: str | None = None, aws_secret: str | None = None) -> None:
        self.work_folder = work_folder
        self.aws_key = aws_key
        self.aws_secret = aws_secret

    def get_work_folder(self) -> str:
        return self.work_folder

    def create_work_folder(self) -> None:
        os.makedirs(self.work_folder, exist_ok=True)

    @contextmanager
    def _read(self, location: str) -> Iterator[Path]:
        """The folder at `location`, as a local one."""
        if not is_url(location):
            yield Path(location)
            return
        with self._temporary_folder() as folder:
            load_folder(location, folder, self.aws_key, self.aws_secret)
            yield folder

    @contextmanager
    def _write(self, location: str) -> Iterator[Path]:
        """An empty local folder, whose files are at `location` after the block."""
        with self._temporary_folder() as folder:
            yield folder
            save_folder(folder, location, self.aws_key, self.aws_secret)

    @contextmanager
    def _temporary_folder(self) -> Iterator[Path]:
        self.create_work_folder()
        with tempfile.TemporaryDirectory(dir=self.work_folder, prefix="seldon-") as folder:
            yield Path(folder)


def dump(value: Any, file: Path) -> None:
    import joblib

    joblib.dump(value, file)


def load(file: Path, location: str) -> Any:
    """Unpickles a file. Whoever wrote it can run any code here, so load only what you trust.

    Raises FileNotFoundError where there is no such file, and ValueError where it holds nothing that can be loaded, as
    one written by Python 2.
    """
    import joblib

    if not file.is_file():
        raise FileNotFoundError(f"{location}: there is no file {file.name!r} in this folder")
    try:
        return joblib.load(file)
    except Exception as error:
        words = f"{location}: the file {file.name!r} cannot be loaded here, it must be made anew"
        raise ValueError(f"{words}: {type(error).__name__}: {error}") from error
