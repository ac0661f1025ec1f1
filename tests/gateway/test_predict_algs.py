"""`predict_algs` is read in both its forms, and its variations share the requests by weight or by key."""

from __future__ import annotations

import json
import math
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaal.errors import StrategyError
from gaal.gateway.predict_algs import (
    PredictAlgs,
    RestServer,
    RpcServer,
    ServedDeployment,
    Variation,
    at,
    of_key,
    read,
    written,
)

N_DRAWS = 4000


def rpc(host: str = "xgboostrpc", port: Any = "5000") -> dict[str, Any]:
    config = {"io.seldon.rpc.microservice.host": host, "io.seldon.rpc.microservice.port": port}
    return algorithm("rpcPredictionServer", config)


def algorithm(name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "config": [{"name": key, "value": value} for key, value in config.items()]}


def variations(*ratios: Any) -> dict[str, Any]:
    return {
        "variations": [
            {"label": f"v{index}", "ratio": ratio, "config": {"algorithms": [rpc()]}}
            for index, ratio in enumerate(ratios)
        ]
    }


def read_json(document: Any) -> PredictAlgs:
    return read(json.dumps(document), "the test's document")


def shares(*ratios: Any) -> list[float]:
    return [each.share for each in read_json(variations(*ratios)).variations]


def test_algorithms_alone_are_one_variation_called_default() -> None:
    document = {"algorithms": [rpc()], "transformers": [{"name": "featureFilter"}], "combiner": "x"}
    assert read_json(document).variations == (Variation("default", 1.0, (RpcServer("xgboostrpc", 5000),)),)


def test_a_single_variation_keeps_its_own_label() -> None:
    assert read_json(variations(1)).variations[0].label == "v0"


def test_all_kinds_of_algorithms_are_read_in_their_order() -> None:
    document = {
        "algorithms": [
            rpc(port=9001),
            algorithm(
                "externalPredictionServer",
                {
                    "io.seldon.algorithm.external.url": "http://iris:5000/predict",
                    "io.seldon.algorithm.external.name": "iris",
                },
            ),
            algorithm("deployment", {"gaal.deployment": "here/one"}),
            algorithm("deployment", {"gaal.deployment": "one"}),
        ]
    }
    assert read_json(document).variations[0].algorithms == (
        RpcServer("xgboostrpc", 9001),
        RestServer("http://iris:5000/predict", "iris"),
        ServedDeployment("here", "one"),
        ServedDeployment("", "one"),
    )


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((0.25, 0.25), [0.5, 0.5]),
        ((1, 1), [0.5, 0.5]),
        ((0.7, 0.2, 0.1), [0.7, 0.2, 0.1]),
        (("0.9", "0.1"), [0.9, 0.1]),
        ((0.001, 0.999), [0.001, 0.999]),
        ((3, 0), [1.0, 0.0]),
    ],
)
def test_ratios_are_weights(ratios: tuple[Any, ...], expected: list[float]) -> None:
    assert shares(*ratios) == pytest.approx(expected)


RATIOS = st.lists(st.floats(0, 1e6), min_size=1, max_size=8).filter(any)


@given(RATIOS)
def test_shares_sum_to_one_and_keep_the_order_of_the_ratios(ratios: list[float]) -> None:
    found = shares(*ratios)
    assert math.fsum(found) == pytest.approx(1)
    assert sorted(found) == [share for _, share in sorted(zip(ratios, found, strict=True))]


@given(RATIOS, st.floats(0, 1, exclude_max=True))
def test_every_draw_falls_on_a_variation_that_has_a_share(ratios: list[float], draw: float) -> None:
    algs = read_json(variations(*ratios))
    assert algs.variations[at(algs.bounds, draw)].share > 0


@given(RATIOS)
def test_what_is_written_is_read_as_the_same(ratios: list[float]) -> None:
    algs = read_json(variations(*ratios))
    again = read_json(written(algs))
    assert [each.label for each in again.variations] == [each.label for each in algs.variations]
    assert [each.algorithms for each in again.variations] == [each.algorithms for each in algs.variations]
    assert [each.share for each in again.variations] == pytest.approx([each.share for each in algs.variations])


def within_bounds(counts: Counter[int], expected: list[float]) -> bool:
    """Whether each count lies within 4.5 standard deviations of a binomial one: one in 100,000 does not."""
    return all(
        abs(counts[index] - N_DRAWS * share) <= 4.5 * math.sqrt(N_DRAWS * share * (1 - share)) + 1
        for index, share in enumerate(expected)
    )


@pytest.mark.parametrize("ratios", [(0.25, 0.25), (1, 1), (0.7, 0.2, 0.1), (0.001, 0.999)])
def test_random_choices_have_the_shares_that_the_ratios_say(ratios: tuple[float, ...]) -> None:
    algs, random = read_json(variations(*ratios)), Random(7)
    counts = Counter(at(algs.bounds, random.random()) for _ in range(N_DRAWS))
    assert within_bounds(counts, [each.share for each in algs.variations])


@pytest.mark.parametrize("ratios", [(0.25, 0.25), (1, 1), (0.7, 0.2, 0.1), (0.001, 0.999)])
def test_keys_have_the_shares_that_the_ratios_say(ratios: tuple[float, ...]) -> None:
    algs = read_json(variations(*ratios))
    counts = Counter(of_key(algs.variations, f"user-{number}") for number in range(N_DRAWS))
    assert within_bounds(counts, [each.share for each in algs.variations])


@given(RATIOS, st.text())
def test_a_key_always_gets_the_same_variation_whatever_the_order(ratios: list[float], key: str) -> None:
    algs = read_json(variations(*ratios)).variations
    chosen = algs[of_key(algs, key)]
    assert chosen.share > 0
    assert algs[of_key(algs, key)] is chosen
    assert algs[::-1][of_key(algs[::-1], key)] is chosen


def test_the_variation_of_a_key_is_the_same_in_every_version_and_process() -> None:
    algs = read_json(variations(0.5, 0.5)).variations
    assert [of_key(algs, f"user-{number}") for number in range(8)] == [0, 1, 0, 0, 1, 1, 1, 0]


@given(
    st.lists(st.floats(0.01, 1), min_size=2, max_size=5),
    st.floats(0.01, 1),
    st.integers(0, 4),
    st.lists(st.text(max_size=8), min_size=20, max_size=20),
)
def test_where_one_weight_changes_keys_move_only_to_it_or_only_from_it(
    ratios: list[float], ratio: float, index: int, keys: list[str]
) -> None:
    index %= len(ratios)
    changed = [*ratios[:index], ratio, *ratios[index + 1 :]]
    before, after = read_json(variations(*ratios)).variations, read_json(variations(*changed)).variations
    for key in keys:
        was, now = of_key(before, key), of_key(after, key)
        assert was == now or (now if ratio > ratios[index] else was) == index


def test_a_change_of_weights_moves_as_many_keys_as_it_must() -> None:
    before, after = read_json(variations(0.5, 0.5)).variations, read_json(variations(0.6, 0.4)).variations
    keys = [f"user-{number}" for number in range(N_DRAWS)]
    n_moved = sum(of_key(before, key) != of_key(after, key) for key in keys)
    assert within_bounds(Counter({0: n_moved}), [0.1])


@pytest.mark.parametrize(
    ("document", "place", "value"),
    [
        ([], "document: must be an object", "[]"),
        ({}, "document: must have either algorithms or variations", ""),
        ({"algorithms": [rpc()], "variations": []}, "document: must have either", "algorithms, variations"),
        ({"algorithms": []}, "algorithms: must be a list that is not empty", "[]"),
        ({"algorithms": [{"name": "vwClassifier"}]}, "algorithms[0].name: must be rpcPredictionServer", "vwClassifier"),
        ({"algorithms": [rpc()], "algorithm": 1}, "algorithm: there is no such field here", ""),
        ({"algorithms": [rpc(port="x")]}, "io.seldon.rpc.microservice.port: must be a port", "x"),
        ({"algorithms": [rpc(port=0)]}, "io.seldon.rpc.microservice.port: must be a port", "0"),
        ({"algorithms": [rpc(host="a b")]}, "io.seldon.rpc.microservice.host: must be the name", "a b"),
        ({"algorithms": [algorithm("rpcPredictionServer", {"x": "y"})]}, "config: the algorithm needs the key", "host"),
        ({"algorithms": [algorithm("deployment", {"gaal.deployment": "a/b/c"})]}, "must be namespace/name", "a/b/c"),
        (
            {"algorithms": [algorithm("externalPredictionServer", {"io.seldon.algorithm.external.url": "file:///x"})]},
            "io.seldon.algorithm.external.url: must be a URL",
            "file:///x",
        ),
        (variations(-1), "variations[0].ratio: must be a number from 0", "-1"),
        (variations("many"), "variations[0].ratio: must be a number from 0", "many"),
        (variations("nan"), "variations[0].ratio: must be a number from 0", "nan"),
        (variations(True), "variations[0].ratio: must be a number from 0", "True"),
        (variations(None), "variations[0].ratio: must be a number from 0", ""),
        (variations(0, 0), "variations: one variation must have a ratio above 0", "[0.0, 0.0]"),
        ({"variations": [*variations(1)["variations"]] * 2}, "variations[1].label: must not stand twice", "v0"),
    ],
)
def test_what_breaks_a_rule_is_told_with_its_place_rule_and_value(document: Any, place: str, value: str) -> None:
    with pytest.raises(StrategyError) as raised:
        read_json(document)
    assert "the test's document" in str(raised.value)
    assert place in str(raised.value)
    assert value in str(raised.value)


def test_all_violations_are_told_at_once() -> None:
    with pytest.raises(StrategyError) as raised:
        read_json({"variations": [{"label": "", "ratio": -1, "config": {"algorithms": [{"name": "x"}]}}]})
    assert len(raised.value.violations) == 3


def test_a_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(StrategyError, match="document: "):
        read("{", "the test's document")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda each: (
            st.lists(each, max_size=3)
            | st.dictionaries(
                st.sampled_from(["algorithms", "variations", "name", "config", "label", "ratio", "value"]),
                each,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_no_document_makes_it_fail_in_another_way(document: Any) -> None:
    with suppress(StrategyError):
        assert read_json(document).variations
