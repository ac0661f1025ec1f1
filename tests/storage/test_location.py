"""Where the store is, by settings and environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaal.errors import SettingsError
from gaal.storage.location import Location, exists, locate


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/home/me"}, "/home/me/.local/share/gaal"),
        ({"HOME": "/home/me", "XDG_DATA_HOME": ""}, "/home/me/.local/share/gaal"),
        ({"HOME": "/home/me", "XDG_DATA_HOME": "/data"}, "/data/gaal"),
    ],
)
def test_without_settings_it_is_in_the_users_data_folder(environment: dict[str, str], folder: str) -> None:
    assert locate(None, None, environment) == Location(Path(folder), f"sqlite:///{folder}/gaal.sqlite")


@pytest.mark.parametrize(
    ("database", "url", "place"),
    [
        ("postgresql://me:pw@db:5433/gaal", "postgresql+psycopg://me:pw@db:5433/gaal", "postgresql://db:5433/gaal"),
        ("postgres://db/gaal?sslmode=require", "postgresql+psycopg://db/gaal?sslmode=require", "postgresql://db/gaal"),
        ("postgresql+psycopg:///gaal?host=/run", "postgresql+psycopg:///gaal?host=/run", "postgresql:///gaal"),
        ("sqlite:////a/b.sqlite", "sqlite:////a/b.sqlite", "/a/b.sqlite"),
        ("sqlite:////a/b%3F%25.sqlite", "sqlite:////a/b%3F%25.sqlite", "/a/b?%.sqlite"),
        ("sqlite:////a/b.sqlite?mode=ro", "sqlite:////a/b.sqlite?mode=ro", "/a/b.sqlite"),
    ],
)
def test_a_database_is_named_by_its_url(database: str, url: str, place: str, tmp_path: Path) -> None:
    found = locate(database, tmp_path, {})
    assert (found.url, found.place, found.data_dir) == (url, place, tmp_path)
    assert found.read_only == database.endswith("mode=ro")
    assert "pw" not in repr(found)


@pytest.mark.parametrize("database", ["mysql://me:pw@db/x", "sqlite://", "sqlite:///:memory:", "sqlite:///a?b=c", "x"])
def test_another_url_is_refused_without_its_password(database: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--database: must be postgresql://") as caught:
        locate(database, tmp_path, {})
    assert "pw" not in str(caught.value)


def test_a_relative_file_is_meant_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("sqlite:///a.sqlite", Path("data"), {}) == Location(
        tmp_path / "data", f"sqlite:///{tmp_path}/a.sqlite"
    )


def test_a_store_exists_when_its_file_does(tmp_path: Path) -> None:
    location = locate(None, tmp_path, {})
    assert not exists(location)
    (tmp_path / "gaal.sqlite").touch()
    assert exists(location)
    assert exists(locate("postgresql://db/x", tmp_path, {}))
