"""SQLite: one file, with its log of changes beside it (WAL), every commit synced to disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Hashable
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import QueuePool

from gaal.storage import private_files
from gaal.storage.backend import Trouble

DAMAGED = Trouble("the file is damaged; see `gaal store check`, or put a backup in its place")

_TROUBLES = {
    sqlite3.SQLITE_BUSY: Trouble("another process has locked it for too long", reopen=False),
    sqlite3.SQLITE_LOCKED: Trouble("another process has locked it for too long", reopen=False),
    sqlite3.SQLITE_FULL: Trouble("there is no room left for it", reopen=False),
    sqlite3.SQLITE_READONLY: Trouble("it is read-only"),
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_CANTOPEN: Trouble("the file cannot be opened; is it there, and may this user read and write it?"),
    sqlite3.SQLITE_IOERR: Trouble("the disk does not read or write it"),
    sqlite3.SQLITE_PERM: Trouble("this user may not open it"),
}


class SqliteFile:
    """The database in one file. It is never made here by opening it: a file that is gone is an error."""

    begin = "BEGIN IMMEDIATE"

    def __init__(self, file: Path, *, read_only: bool, busy_timeout_s: float) -> None:
        self.place = str(file)
        self._file = file
        self._log = file.with_name(f"{file.name}-wal")
        self._mode = "ro" if read_only else "rw"
        self._busy_timeout_s = busy_timeout_s
        self._anchor: sqlite3.Connection | None = None
        self._file_identity: Hashable = None
        self._log_identity: Hashable = None

    def identity(self) -> Hashable:
        return _identity(self._file)

    def open(self) -> Engine:
        self._remove_foreign_log()
        # With a connection that stays, SQLite keeps the log, and the log's identity tells whose it is.
        self._anchor = self._connect()
        try:
            self._anchor.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        except sqlite3.Error:
            self._anchor.close()
            raise
        self._file_identity = self.identity()
        self._log_identity = _identity(self._log) if self._log.exists() else None
        return create_engine(
            "sqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_reset_on_return=None,
            pool_timeout=self._busy_timeout_s,
            isolation_level="AUTOCOMMIT",
        )

    def close(self, engine: Engine) -> None:
        engine.dispose()
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    def change_mark(self, connection: Connection) -> object:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA data_version")
        return cursor.fetchone()

    def trouble(self, error: BaseException) -> Trouble:
        return trouble_of(error)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self._file))}?mode={self._mode}",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if self._mode == "rw":
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _remove_foreign_log(self) -> None:
        """Removes a log that was the former file's: SQLite would write it into the file that took its place."""
        if self._file_identity in (None, self.identity()) or self._log_identity is None:
            return
        if not self._log.exists() or _identity(self._log) != self._log_identity:
            return
        for suffix in ("-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)


def trouble_of(error: BaseException) -> Trouble:
    """What an error of SQLite means."""
    # The lowest byte is the kind of error, the next one a finer code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _TROUBLES.get(code, Trouble(f"the database says: {error}"))


def _identity(file: Path) -> tuple[int, int]:
    found = os.stat(file)
    return found.st_dev, found.st_ino


def make_private(file: Path) -> None:
    """Takes away the rights of others to a file of this user. SQLite gives the files beside it the same rights."""
    found = os.stat(file)
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        file.chmod(0o600)


def new_file(file: Path) -> Path:
    """An empty, private database file beside `file`, which is to be made ready and then published as `file`."""
    private_files.make_folder(file.parent)
    draft = private_files.draft_of(file)
    private_files.write(draft, b"")
    return draft
