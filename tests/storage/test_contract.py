"""What every store does, with SQLite as with PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gaal.errors import Conflict, NotFound
from gaal.storage import tables
from gaal.storage.records import (
    AuditEntry,
    Client,
    Event,
    Image,
    Key,
    Limits,
    Microservice,
    MicroserviceProcess,
    Registration,
    Strategy,
    Token,
)
from gaal.storage.store import Store, open_store
from storage.conftest import KEY, add_client

TOKEN = Token(b"\x00\xff" * 16, KEY.key, "test", "all", 10.0, 6010.0)


# Clients and keys.


def test_a_client_comes_back_as_it_went_in(store: Store) -> None:
    client = Client("test", limits=Limits(1.5, 3, 4), created_at=1_700_000_000.123456)
    store.clients.add(client, [KEY])
    assert store.clients.get("test") == client
    assert store.clients.all() == [client]
    assert store.clients.keys("test") == store.clients.keys() == [KEY]
    assert store.clients.find_key(KEY.key) == KEY


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.clients.get("test") is None
    assert store.clients.find_key("K") is None
    assert store.tokens.find(b"") is None
    assert store.registrations.get("test") is None
    assert store.strategies.get("") is None
    assert store.images.get("i") is None
    assert not store.clients.keys("test")
    assert not store.events.recent("test", 5)
    assert not store.microservices.of("test")


def test_a_client_that_is_there_is_a_conflict_and_nothing_changes(store: Store) -> None:
    add_client(store)
    with pytest.raises(Conflict, match='client "test" is there already'):
        store.clients.add(Client("test", disabled=True), [replace(KEY, key="OTHER")])
    assert store.clients.all() == [Client("test", created_at=1.0)]
    assert store.clients.keys() == [KEY]


def test_a_client_is_not_made_where_one_of_its_keys_is_taken(store: Store) -> None:
    add_client(store)
    with pytest.raises(Conflict, match=f"key {KEY.key} is there already"):
        store.clients.add(Client("second"), [replace(KEY, client="second")])
    assert store.clients.get("second") is None


def test_a_client_is_changed(store: Store) -> None:
    add_client(store)
    changed = Client("test", disabled=True, limits=Limits(burst=2), created_at=1.0)
    store.clients.update(changed)
    assert store.clients.get("test") == changed


def test_a_client_leaves_with_everything_of_it_and_nothing_of_others(store: Store) -> None:
    for name, key in (("test", KEY.key), ("other", "OTHER")):
        store.clients.add(Client(name), [replace(KEY, key=key, client=name)])
        store.tokens.add(replace(TOKEN, client=name, key=key, digest=name.encode()))
        store.registrations.set(Registration(name, b"", "A"))
        store.strategies.set(name, "{}")
        store.microservices.put(Microservice(name, "m", "t", "rest"))
        store.microservices.put_process(MicroserviceProcess("here", name, "m", 0, "ready"))
        store.events.add(Event(name, 1.0, "{}"))
    store.clients.remove("test")
    assert [each.name for each in store.clients.all()] == ["other"]
    assert store.clients.keys() == [replace(KEY, key="OTHER", client="other")]
    assert store.tokens.find(b"test") is None
    assert store.tokens.find(b"other") is not None
    assert [each.client for each in store.registrations.all()] == ["other"]
    assert [each.client for each in store.strategies.all()] == ["other"]
    assert [each.client for each in store.microservices.all()] == ["other"]
    assert [each.client for each in store.microservices.processes()] == ["other"]
    assert store.events.recent("test", 9) == []
    assert len(store.events.recent("other", 9)) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.clients.update(Client("nobody")),
        lambda store: store.clients.remove("nobody"),
        lambda store: store.clients.add_key(replace(KEY, client="nobody")),
        lambda store: store.registrations.set(Registration("nobody", b"", "A")),
        lambda store: store.strategies.set("nobody", "{}"),
        lambda store: store.strategies.set_draft("nobody", "{}"),
        lambda store: store.microservices.put(Microservice("nobody", "m", "t", "rpc")),
    ],
)
def test_what_is_for_a_client_who_is_not_there_is_refused(sqlite_store: Store, act: Callable[[Store], None]) -> None:
    with pytest.raises(NotFound, match='client "nobody": there is no such client'):
        act(sqlite_store)


def test_a_key_is_changed_and_removed(store: Store) -> None:
    add_client(store)
    second = Key("SECOND", "test", "js", referrers=("a.example", "b.example"), created_at=3.0)
    store.clients.add_key(second)
    store.clients.update_key(replace(second, active=False))
    assert store.clients.keys() == [KEY, replace(second, active=False)]
    store.clients.remove_key("SECOND")
    assert store.clients.keys() == [KEY]
    with pytest.raises(NotFound, match="key SECOND: there is no such key"):
        store.clients.remove_key("SECOND")
    with pytest.raises(NotFound, match="key SECOND: there is no such key"):
        store.clients.update_key(second)


def test_replacing_a_key_revokes_its_tokens(store: Store) -> None:
    add_client(store)
    store.tokens.add(TOKEN)
    store.clients.replace_key(KEY.key, replace(KEY, key="NEW", secret="another"))
    assert store.clients.keys() == [replace(KEY, key="NEW", secret="another")]
    assert store.tokens.find(TOKEN.digest) == replace(TOKEN, active=False)


def test_a_key_whose_successor_cannot_be_added_stays(store: Store) -> None:
    add_client(store)
    store.tokens.add(TOKEN)
    with pytest.raises(NotFound):
        store.clients.replace_key(KEY.key, replace(KEY, key="NEW", client="nobody"))
    assert store.clients.keys() == [KEY]
    assert store.tokens.find(TOKEN.digest) == TOKEN


# Tokens.


def test_a_token_lasts_until_it_is_revoked(store: Store) -> None:
    add_client(store)
    store.tokens.add(TOKEN)
    assert store.tokens.find(TOKEN.digest) == TOKEN
    assert store.tokens.revoke(TOKEN.digest) is True
    assert store.tokens.revoke(TOKEN.digest) is False
    assert store.tokens.find(TOKEN.digest) == replace(TOKEN, active=False)


def test_tokens_of_a_client_are_revoked_by_key_or_all(store: Store) -> None:
    add_client(store)
    store.clients.add_key(replace(KEY, key="SECOND"))
    for n in range(3):
        store.tokens.add(replace(TOKEN, digest=b"%d" % n, key=KEY.key if n else "SECOND"))
    assert store.tokens.revoke_all("test", "SECOND") == 1
    assert store.tokens.revoke_all("test") == 2
    assert store.tokens.revoke_all("test") == 0


def test_a_token_of_a_key_that_is_gone_or_not_active_is_not_added(store: Store) -> None:
    add_client(store)
    store.clients.update_key(replace(KEY, active=False))
    for token in (TOKEN, replace(TOKEN, key="GONE"), replace(TOKEN, client="other")):
        with pytest.raises(NotFound, match="the key of the token is not there, or not active"):
            store.tokens.add(token)
    assert store.tokens.find(TOKEN.digest) is None


def test_expired_tokens_are_removed(store: Store) -> None:
    add_client(store)
    store.tokens.add(TOKEN)
    assert store.tokens.remove_expired(TOKEN.expires_at - 1) == 0
    assert store.tokens.remove_expired(TOKEN.expires_at) == 1
    assert store.tokens.find(TOKEN.digest) is None


# The rest.


def test_a_client_has_one_registration_the_last(store: Store) -> None:
    add_client(store)
    store.registrations.set(Registration("test", b"\x00\x01", "a.B", "a.C", "iris.proto"))
    last = Registration("test", bytes(range(256)) * 4000, "a.D")
    store.registrations.set(last)
    assert store.registrations.get("test") == last
    assert store.registrations.all() == [last]
    assert store.registrations.remove("test") is True
    assert store.registrations.remove("test") is False


def test_a_draft_of_a_strategy_comes_into_force_by_commit(store: Store) -> None:
    add_client(store)
    store.strategies.set("test", "old")
    store.strategies.set_draft("test", "new")
    assert store.strategies.get("test") == Strategy("test", "old", "new")
    store.strategies.commit("test")
    assert store.strategies.get("test") == Strategy("test", "new")
    with pytest.raises(NotFound, match='client "test": there is no draft of a strategy to commit'):
        store.strategies.commit("test")


def test_the_strategy_of_all_clients_needs_no_client(store: Store) -> None:
    store.strategies.set("", "{}")
    assert store.strategies.all() == [Strategy("", "{}")]
    assert store.strategies.remove("") is True
    assert store.strategies.remove("") is False


def test_microservices_are_put_replaced_and_removed(store: Store) -> None:
    add_client(store)
    add_client(store, "other")
    first, second = (Microservice("test", name, "mod:Class", "rpc", "m", "p", 2, 5.0) for name in ("a", "b"))
    others = Microservice("other", "a", "x", "rest")
    for each in (second, others, first, replace(first, n_replicas=3)):
        store.microservices.put(each)
    assert store.microservices.of("test") == [replace(first, n_replicas=3), second]
    store.microservices.replace("test", [second])
    assert store.microservices.all() == [others, second]
    assert store.microservices.remove("test", "b") is True
    assert store.microservices.remove("test", "b") is False


def test_processes_are_told_apart_by_machine_client_name_and_replica(store: Store) -> None:
    process = MicroserviceProcess("here", "test", "m", 0, "starting", since=1.5)
    ready = replace(process, state="ready", port=5000, pid=17, n_restarts=2, failure="exit status 1")
    there = replace(process, machine="there")
    for each in (process, there, replace(process, replica=1), ready):
        store.microservices.put_process(each)
    assert store.microservices.processes("here") == [ready, replace(process, replica=1)]
    assert store.microservices.remove_process("here", "test", "m", 1) is True
    assert store.microservices.remove_process("here", "test", "m", 1) is False
    assert store.microservices.remove_processes("here") == 1
    assert store.microservices.processes() == [there]


def test_an_image_stands_for_the_last_target(store: Store) -> None:
    store.images.put(Image("a/b:1.0", "old"))
    store.images.put(Image("a/b:1.0", "new"))
    assert store.images.get("a/b:1.0") == Image("a/b:1.0", "new")
    assert store.images.all() == [Image("a/b:1.0", "new")]
    assert store.images.remove("a/b:1.0") is True
    assert store.images.remove("a/b:1.0") is False


def test_events_come_newest_first_and_by_client(store: Store) -> None:
    for at in range(4):
        store.events.add(Event("test" if at else "", float(at), f'{{"n":{at}}}'))
    assert [each.at for each in store.events.recent("test", 2)] == [3.0, 2.0]
    assert store.events.recent("", 9) == [Event("", 0.0, '{"n":0}')]


def test_the_audit_log_is_read_by_actor_subject_and_time(store: Store) -> None:
    entries = [AuditEntry(float(n), f"client:{n % 2}", "key.rotate", f"key:{n // 2}", "é") for n in range(4)]
    for each in entries:
        store.audit.add(each)
    newest = entries[::-1]
    assert store.audit.entries() == newest
    assert store.audit.entries(limit=1) == newest[:1]
    assert store.audit.entries(actor="client:1") == [entries[3], entries[1]]
    assert store.audit.entries(subject="key:0", since=1.0) == [entries[1]]


def test_everything_is_there_when_the_store_is_opened_again(store: Store) -> None:
    add_client(store)
    store.tokens.add(TOKEN)
    with open_store(store.location) as second:
        assert second.clients.keys() == [KEY]
        assert second.tokens.find(TOKEN.digest) == TOKEN
        assert second.machine == store.machine


# Values that are odd.

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50)
numbers = st.floats(0, 1e12, allow_nan=False)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(secret=texts, scope=texts, referrers=st.lists(texts).map(tuple), created_at=numbers)
def test_any_key_comes_back(
    store: Store, secret: str, scope: str, referrers: tuple[str, ...], created_at: float
) -> None:
    if store.clients.get("test") is None:
        add_client(store)
    key = Key("ODD", "test", scope, secret, referrers=referrers, created_at=created_at)
    store.clients.add_key(key)
    assert store.clients.find_key("ODD") == key
    store.clients.remove_key("ODD")


# What the change feed reads.


def versions(store: Store) -> dict[str, int]:
    rows = store.database.read(lambda connection: connection.execute(select(tables.topics)).all())
    return {row.topic: row.version for row in rows}


def test_a_topic_changes_by_what_it_is_about_and_by_nothing_else(store: Store) -> None:
    add_client(store)
    assert versions(store) == {"clients": 1}
    store.tokens.add(TOKEN)
    store.events.add(Event("test", 1.0, "{}"))
    store.tokens.remove_expired(0.0)
    store.tokens.revoke(b"unknown")
    store.images.remove("unknown")
    assert versions(store) == {"clients": 1}
    store.tokens.revoke(TOKEN.digest)
    store.clients.update(Client("test"))
    assert versions(store) == {"clients": 2, "tokens": 1}


def test_what_fails_changes_no_topic(store: Store) -> None:
    with pytest.raises(NotFound):
        store.clients.remove("test")
    assert versions(store) == {}


def test_several_steps_are_written_together_or_not_at_all(store: Store) -> None:
    def steps(fails: bool) -> int:
        store.clients.add(Client(f"fails {fails}"))
        store.audit.add(AuditEntry(1.0, "operator:me", "client.add", "x"))
        if fails:
            raise ValueError("the last step")
        return len(store.clients.all())

    with pytest.raises(ValueError, match="the last step"):
        store.transact(steps, True)
    assert store.clients.all() == []
    assert store.transact(steps, False) == 1
    assert len(store.audit.entries()) == 1


def test_a_step_that_is_refused_does_not_spoil_the_others(store: Store) -> None:
    add_client(store)

    def steps() -> bool:
        try:
            store.clients.add(Client("test"))
        except Conflict:
            store.images.put(Image("a", "b"))
        return store.clients.get("test") is not None

    assert store.transact(steps) is True
    assert store.images.all() == [Image("a", "b")]


def test_every_table_is_described() -> None:
    assert set(tables.DESCRIPTIONS) == set(tables.metadata.tables)
