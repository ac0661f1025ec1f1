"""A copy of a SQLite store, made while servers write to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from gaal.errors import Conflict, SettingsError, StoreError, Violation
from gaal.storage import private_files, secrets
from gaal.storage.location import Location
from gaal.storage.sqlite import trouble_of

KEY_SUFFIX = ".secret.key"


def back_up(location: Location, file: Path) -> list[Path]:
    """Copies the store as it is at one moment into `file`, and the key of its secrets beside it, all 0600.

    Says which files were written: the key is not among them where it is not kept in a file. Raises Conflict where
    a file is there already, SettingsError for PostgreSQL, StoreError where a file cannot be read or written.
    """
    if location.file is None:
        rule = "of a PostgreSQL database is made with pg_dump; the key of its secrets is not in it"
        raise SettingsError([Violation("a backup", rule)])
    key = location.data_dir / secrets.FILE_NAME
    key_copy = file.with_name(file.name + KEY_SUFFIX)
    for each in (file, key_copy):
        if each.exists():
            raise Conflict(f"{each} is there already")
    copy_database(location.file, file)
    if location.secret_key or not key.exists():
        return [file]
    try:
        private_files.write(key_copy, key.read_bytes())
    except OSError as error:
        raise StoreError(f"{key_copy}: the copy of the key cannot be written ({error.strerror})") from None
    return [file, key_copy]


def copy_database(source: Path, target: Path) -> None:
    """The target is there whole or not at all. Raises StoreError."""
    draft = private_files.draft_of(target)
    try:
        private_files.write(draft, b"")
        with closing(sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True)) as original:
            _copy_all(original, draft)
        private_files.publish(draft, target)
    except sqlite3.Error as error:
        raise StoreError(f"store {source}: the copy {target} was not made: {trouble_of(error).rule}") from None
    except OSError as error:
        raise StoreError(f"{target}: the copy cannot be written ({error.strerror})") from None
    finally:
        draft.unlink(missing_ok=True)


def _copy_all(original: sqlite3.Connection, draft: Path) -> None:
    with closing(sqlite3.connect(draft)) as copy:
        # All pages in one step: a copy in several begins anew whenever somebody writes.
        original.backup(copy)
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
