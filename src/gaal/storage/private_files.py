"""Files that only their owner may read, made once, whoever else tries to at the same time."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Makes the folder, 0700, where it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def read_or_make(file: Path, contents: str) -> str:
    """What the file holds; where it is missing, it is made with `contents`. It is never seen half written."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        pass
    make_folder(file.parent)
    draft = draft_of(file)
    try:
        write(draft, contents.encode() + b"\n")
        publish(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return file.read_text().strip()


def draft_of(file: Path) -> Path:
    """A name beside the file that nobody else takes."""
    return file.with_name(f".{file.name}.{secrets.token_hex(8)}")


def write(file: Path, contents: bytes) -> None:
    """Writes a new file, 0600, to disk. Raises FileExistsError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(contents)
        opened.flush()
        os.fsync(opened.fileno())


def publish(draft: Path, file: Path) -> None:
    """Gives the draft its name, if nobody was faster. Unlike a rename, a link never replaces a file."""
    try:
        os.link(draft, file)
    except FileExistsError:
        return
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
