"""docs/contract-tools.md tells what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import pytest
import typer.main

from gaal.cli.main import app
from gaal.contracts import rules
from gaal.contracts.read import contract_of
from gaal.graph import lint

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "contract-tools.md").read_text()


def texts(module: ModuleType) -> list[str]:
    """The rules of a module: its constants that are sentences."""
    return [value for name, value in vars(module).items() if name.isupper() and isinstance(value, str) and " " in value]


@pytest.mark.parametrize("rule", [*texts(rules), *texts(lint)])
def test_every_rule_stands_in_the_page(rule: str) -> None:
    assert f"| {rule} |" in PAGE


def test_the_page_has_no_rule_that_is_none() -> None:
    tables = re.findall(r"^\| rule \|.*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    told = {row.split(" | ")[0].removeprefix("| ") for table in tables for row in table.splitlines()[2:] if row}

    assert told == {*texts(rules), *texts(lint)}


def test_every_option_stands_in_the_page() -> None:
    command = typer.main.get_command(app).commands["check"]  # type: ignore[attr-defined]
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("-")]

    assert [option for option in options if f"`{option}`" not in PAGE and option != "--help"] == []


def test_the_contract_of_the_page_is_one() -> None:
    [written] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    read = contract_of(json.loads(written), "the page")

    assert [each.name for each in read.features] == ["sepal", "petal1", "petal2", "garden"]
    assert [each.name for each in read.targets] == ["class:0", "class:1", "class:2"]
    assert read.warnings == ()


@pytest.mark.parametrize("command", ["seldon-core-microservice-tester", "seldon-core-tester", "seldon-core-api-tester"])
def test_the_commands_of_the_page_are_installed(command: str) -> None:
    assert f"`{command}`" in PAGE
    assert f"\n{command} = " in (PROJECT / "pyproject.toml").read_text()
