"""Where a component finds its model's files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Storage"]


class Storage:
    @staticmethod
    def download(uri: str, out_dir: str | None = None) -> str:
        """The path of the files at `uri`: an existing local path, or a `file://` URI of one.

        Nothing is copied. With `out_dir`, which is made if it is not there, the files are linked into it, and its path
        is the answer. Raises ValueError for any other kind of URI, FileNotFoundError if nothing is at a `file://` one.
        """
        source = _local_path(uri)
        if out_dir is None:
            return str(source)
        folder = Path(out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        for entry in source.iterdir() if source.is_dir() else (source,):
            link = folder / entry.name
            if not link.exists():
                link.symlink_to(entry.absolute())
        return str(folder)


def _local_path(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        path = Path(unquote(parts.path))
        if not path.exists():
            raise FileNotFoundError(f"{uri}: there is no such file or folder")
        return path
    if Path(uri).exists():
        return Path(uri)
    raise ValueError(f"Cannot recognize storage type for {uri}: it is neither a file:// URI nor an existing local path")
