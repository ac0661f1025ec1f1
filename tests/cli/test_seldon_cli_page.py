"""The pages on `seldon-cli` and `start-microservice` name every command and flag, and no others."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from gaal.cli import start_microservice
from gaal.cli.seldon_cli import command

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "seldon-cli.md").read_text()
SECTIONS = {
    name: text
    for titles, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    for name in titles.split(", ")
}


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    found = {flag for action in parser._actions for flag in action.option_strings}
    return found - {"-h", "--help"}


def flags_in(text: str) -> set[str]:
    """What stands in the first column of tables."""
    rows = re.findall(r"^\| (`-.*?) \|", text, re.MULTILINE)
    return {flag for row in rows for flag in re.findall(r"`(--?[\w-]+)`", row)}


def test_every_command_has_its_section() -> None:
    assert set(SECTIONS) == set(command.COMMANDS)


@pytest.mark.parametrize("name", [name for name, each in command.COMMANDS.items() if not each.takes_anything])
def test_the_section_of_a_command_has_its_flags(name: str) -> None:
    together = [each for each in command.COMMANDS if SECTIONS[each] == SECTIONS[name]]
    flags = {flag for each in together for flag in flags_of(command.COMMANDS[each].parser())}
    assert flags_in(SECTIONS[name]) == flags


def test_the_global_flags_are_those_of_the_parser() -> None:
    assert flags_in(PAGE.partition("\n## ")[0]) == flags_of(command.parser())


def test_the_flags_of_start_microservice_are_those_of_the_parser() -> None:
    page = (DOCS / "microservices-of-clients.md").read_text()
    section = page.partition("## start-microservice\n")[2].partition("\n## ")[0]
    assert flags_in(section) == flags_of(start_microservice.parser())
