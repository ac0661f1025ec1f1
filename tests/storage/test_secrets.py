"""Secrets at rest: encrypted, by a key that is not in the database."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from databases import PostgresqlForTests
from hypothesis import given
from hypothesis import strategies as st

from gaal.errors import StoreError
from gaal.storage import secrets
from gaal.storage.location import Location, locate
from gaal.storage.secrets import SecretKey
from gaal.storage.store import Store, open_store
from storage.conftest import KEY, add_client

ONE, OTHER = SecretKey(b"1" * 32, "one"), SecretKey(b"2" * 32, "other")
GIVEN = urlsafe_b64encode(b"3" * 32).decode()


@given(st.text(st.characters(codec="utf-8")))
def test_any_secret_opens_with_its_key_for_its_owner(secret: str) -> None:
    assert ONE.open(ONE.seal(secret, "K"), "K") == secret


def test_a_secret_does_not_open_with_another_key_for_another_owner_or_changed() -> None:
    sealed = ONE.seal("secret", "K")
    for key, owner, contents in ((OTHER, "K", sealed), (ONE, "L", sealed), (ONE, "K", sealed[:-1]), (ONE, "K", b"")):
        with pytest.raises(StoreError, match=f"^{key.source}: the secret of key .… does not open with this key$"):
            key.open(contents, owner)


def test_the_same_secret_looks_different_every_time() -> None:
    assert ONE.seal("secret", "K") != ONE.seal("secret", "K")


def test_a_secret_is_not_in_any_file(sqlite_store: Store) -> None:
    add_client(sqlite_store)
    folder = sqlite_store.location.data_dir
    found = {file.name for file in folder.iterdir() if KEY.key.encode() in file.read_bytes()}
    assert found == {"gaal.sqlite-wal"}
    assert not any(KEY.secret.encode() in file.read_bytes() for file in folder.iterdir())
    assert KEY.secret not in repr(sqlite_store.clients.keys())


@pytest.mark.parametrize("wrong", ["another", "missing", "damaged"])
def test_a_wrong_key_is_an_error_that_names_the_file(location: Location, wrong: str) -> None:
    with open_store(location) as store:
        add_client(store)
    file = location.data_dir / secrets.FILE_NAME
    file.unlink()
    if wrong != "missing":
        file.write_text(GIVEN if wrong == "another" else "no key")
    with pytest.raises(StoreError) as caught:
        open_store(location)
    assert str(file) in str(caught.value)
    assert GIVEN not in str(caught.value)
    assert file.exists() == (wrong != "missing"), "a key made now would only hide what is wrong"


def test_machines_share_a_database_by_a_key_from_the_environment(
    tmp_path: Path, postgresql: PostgresqlForTests
) -> None:
    url = postgresql.new_database()
    for name in ("here", "there"):
        with open_store(locate(url, tmp_path / name, {"GAAL_SECRET_KEY": GIVEN})) as store:
            if name == "here":
                add_client(store)
            assert store.clients.keys() == [KEY]
        assert os.listdir(tmp_path / name) == ["machine"]
    with pytest.raises(StoreError, match=r"third/secret\.key is missing; .* or set GAAL_SECRET_KEY"):
        open_store(locate(url, tmp_path / "third", {}))
    with pytest.raises(StoreError, match="the key in GAAL_SECRET_KEY is another one"):
        open_store(locate(url, tmp_path / "third", {"GAAL_SECRET_KEY": GIVEN.replace("M", "N")}))


def test_machines_have_ids_of_their_own(tmp_path: Path) -> None:
    ids = []
    for name in ("here", "there", "here"):
        with open_store(locate(None, tmp_path / name, {})) as store:
            ids.append(store.machine)
    assert ids[0] == ids[2] != ids[1]
    assert all(len(each) == 32 for each in ids)


def test_a_secret_moved_to_another_key_does_not_open(store: Store) -> None:
    add_client(store)
    store.clients.add_key(replace(KEY, key="SECOND"))
    statement = "UPDATE keys SET secret = (SELECT k.secret FROM keys AS k WHERE k.key <> 'SECOND') WHERE key = 'SECOND'"
    store.database.write(lambda connection: connection.exec_driver_sql(statement).rowcount)
    with pytest.raises(StoreError, match="the secret of key SECO… does not open"):
        store.clients.find_key("SECOND")
