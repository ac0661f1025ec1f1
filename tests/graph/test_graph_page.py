"""docs/graph-document.md tells what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaal.graph import annotations as annotation_keys
from gaal.graph import names, parameters, rules, schema
from gaal.graph.deployment import Placement

PAGE = (Path(__file__).parents[2] / "docs" / "graph-document.md").read_text()


@pytest.mark.parametrize("rule", [name for name in vars(rules) if name.isupper()])
def test_every_rule_stands_in_the_page(rule: str) -> None:
    assert f"| {getattr(rules, rule)} |" in PAGE


@pytest.mark.parametrize(
    "name",
    [
        *names.API_VERSIONS,
        *names.PROTOCOLS,
        *names.IMPLEMENTATIONS,
        *parameters.TYPES,
        *(each.value for each in Placement),
        *(value for key, value in vars(annotation_keys).items() if key.isupper() and isinstance(value, str)),
    ],
)
def test_every_name_stands_in_the_page(name: str) -> None:
    assert name in PAGE


@pytest.mark.parametrize("model", [schema.Spec, schema.Predictor, schema.Unit, schema.Endpoint, schema.Container])
def test_every_field_stands_in_the_page(model: type[schema.Written]) -> None:
    assert [field for field in model.model_fields if f"`{field}`" not in PAGE] == []
