"""What scopes grant."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.errors import SettingsError
from gaal.gateway.scope import EVERYTHING, Scope, known_scope, parse_scope

WORDS = st.sampled_from(["all", "js", "models", "readonly", "deployment:a/b", "deployment:a/c"])
scopes = st.lists(WORDS, min_size=1).map(" ".join).map(parse_scope)

QUESTIONS: list[Callable[[Scope], bool]] = [
    lambda scope: scope.allows_deployment("a", "b"),
    lambda scope: scope.allows_deployment("a", "x"),
    lambda scope: scope.allows_deployment("a", "b", writes=False),
    lambda scope: scope.allows_deployment("a", "x", writes=False),
    lambda scope: scope.sees("a", "b"),
    lambda scope: scope.sees("a", "x"),
    lambda scope: scope.allows_writing,
    lambda scope: scope.allows_reading,
    lambda scope: scope.is_js,
    lambda scope: scope.allows_loading,
]


@pytest.mark.parametrize(
    ("text", "writes", "reads", "sees_other", "writes_other"),
    [
        ("all", True, True, True, True),
        ("readonly", False, True, True, False),
        ("deployment:here/one", True, True, False, False),
        ("deployment:here/one readonly", True, True, True, False),
        ("js", False, False, False, False),
    ],
)
def test_what_a_scope_grants(text: str, writes: bool, reads: bool, sees_other: bool, writes_other: bool) -> None:
    scope = parse_scope(text)

    assert scope.allows_deployment("here", "one") is writes
    assert scope.allows_deployment("here", "one", writes=False) is reads
    assert scope.allows_reading is reads
    assert scope.sees("there", "two") is sees_other
    assert scope.allows_deployment("there", "two") is writes_other


@given(scopes, scopes)
def test_a_scope_that_another_covers_grants_nothing_more(wide: Scope, narrow: Scope) -> None:
    if wide.covers(narrow):
        assert all(ask(wide) or not ask(narrow) for ask in QUESTIONS)


@given(scopes)
def test_a_scope_reads_back_as_it_is_written(scope: Scope) -> None:
    assert parse_scope(str(scope)) == scope
    assert EVERYTHING.covers(scope)


@pytest.mark.parametrize("text", ["", " ", "ALL", "write", "deployment:", "deployment:a", "deployment:a/b/c", "all;js"])
def test_what_is_no_scope_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="must be all, js, models, readonly or deployment"):
        parse_scope(text)


def test_of_words_of_others_those_remain_that_are_scopes() -> None:
    assert known_scope(["openid", "readonly", "readonly", "profile"]).words == ("readonly",)
