"""Folders for sockets: private, short, and gone when their owner is, however that ended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gaal.components.worker_folder import PREFIX, SocketFolder, base_folder


def test_only_the_user_may_enter(tmp_path: Path) -> None:
    folder = SocketFolder(tmp_path)
    assert folder.path.parent == tmp_path
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.close()
    assert not folder.path.exists()


def test_no_path_is_given_twice(tmp_path: Path) -> None:
    folder = SocketFolder(tmp_path)
    assert len({folder.new_path() for _ in range(10)}) == 10
    folder.close()


def test_what_an_owner_that_ended_has_left_is_removed(tmp_path: Path) -> None:
    left = SocketFolder(tmp_path)
    left.new_path().touch()
    os.close(left._lock)  # as the kernel does it when a process ends
    SocketFolder(tmp_path).close()
    assert not left.path.exists()


def test_what_has_an_owner_and_what_is_something_else_stays(tmp_path: Path) -> None:
    in_use = SocketFolder(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "mine")
    SocketFolder(tmp_path).close()
    assert in_use.path.exists()
    assert (tmp_path / "mine").exists()
    in_use.close()


@pytest.mark.parametrize(("length", "base"), [(20, "its own"), (80, "/tmp")])
def test_where_temporary_files_go_is_too_long_for_a_socket_it_is_tmp(
    length: int, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "/" + "x" * (length - 1)
    monkeypatch.setattr("tempfile.tempdir", own)
    assert base_folder() == Path(own if base == "its own" else base)
