"""What happens to a database whenever it is opened: it is migrated, and the key of its secrets is held against ours."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from gaal.errors import StoreError
from gaal.storage import migrations, secrets
from gaal.storage.location import Location
from gaal.storage.secrets import SecretKey
from gaal.storage.tables import facts
from gaal.storage.writer import driver_of

FINGERPRINT = "secret_key_fingerprint"


def prepare(location: Location, begin: str, connection: Connection) -> None:
    """Brings the database to this code's schema. `begin` starts a transaction that other writers wait for.

    Raises StoreError where the database is newer than this code, or was made with another key of secrets.
    """
    if migrations.is_due(connection, location.place):
        if location.read_only:
            raise StoreError(f"store {location.place}: its schema is older than this Gaal's, and it is read-only")
        _migrate(location, begin, connection)
    check_key(location, connection)


def check_key(location: Location, connection: Connection) -> SecretKey:
    """The key of this database's secrets. Raises StoreError where it is another one, or missing."""
    fingerprint = connection.scalar(select(facts.c.value).where(facts.c.name == FINGERPRINT))
    key = secrets.find_key(location.data_dir, location.secret_key)
    if key is not None and key.fingerprint == fingerprint:
        return key
    file = location.data_dir / secrets.FILE_NAME
    what = f"{file} is missing" if key is None else f"the key in {key.source} is another one"
    raise StoreError(
        f"store {location.place}: its secrets are encrypted with a key that is not here: {what}; "
        f"put the key file of this database there, or set {secrets.VARIABLE}"
    )


def _migrate(location: Location, begin: str, connection: Connection) -> None:
    driver = driver_of(connection)
    driver.execute(begin)
    try:
        # Another process may have been faster, while this one waited for its turn.
        if migrations.is_due(connection, location.place):
            is_new = migrations.schema_version(connection) is None
            migrations.upgrade(connection)
            if is_new:
                _remember_key(location, connection)
    except BaseException:
        driver.execute("ROLLBACK")
        raise
    driver.execute("COMMIT")


def _remember_key(location: Location, connection: Connection) -> None:
    key = secrets.find_key(location.data_dir, location.secret_key) or secrets.make_key(location.data_dir)
    connection.execute(insert(facts).values(name=FINGERPRINT, value=key.fingerprint))
