"""The table of rooms in docs/architecture.md is true: every import in `src/gaal` is one that it allows."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "src" / "gaal"
PAGE = PROJECT / "docs" / "architecture.md"


@dataclass(frozen=True)
class Room:
    """A row of the table. `rooms` and `types_only` have rooms, or modules of rooms: `executor`, `executor.events`."""

    name: str
    rooms: frozenset[str]
    types_only: frozenset[str]
    libraries: frozenset[str]

    def allows(self, wanted: Import) -> bool:
        """Whether a module of another room may be imported."""
        allowed = self.rooms | self.types_only if wanted.for_types else self.rooms
        return any(wanted.below == each or wanted.below.startswith(f"{each}.") for each in allowed)


@dataclass(frozen=True)
class Import:
    """One import. `module` is absolute, and goes down to a module of Gaal's, not to the names in it."""

    place: str
    room: str
    module: str
    at_top: bool
    for_types: bool

    @property
    def library(self) -> str:
        return self.module.split(".")[0]

    @property
    def below(self) -> str:
        """The module's name below gaal: `executor.events`."""
        return self.module.removeprefix("gaal").removeprefix(".")


def rooms() -> dict[str, Room]:
    table = re.search(r"^\| room \|.*?\n\n", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert table is not None
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].strip().splitlines()[2:]]
    return {name.strip("`"): _room(name.strip("`"), may, libraries) for name, _, may, libraries in rows}


def _room(name: str, may: str, libraries: str) -> Room:
    types_only = frozenset(re.findall(r"`([\w.]+)` \(types only\)", may))
    listed = frozenset(re.findall(r"`([\w.]+)`", may))
    return Room(name, listed - types_only, types_only, frozenset(re.findall(r"\w+", libraries)))


def imports() -> list[Import]:
    return [each for path in sorted(PACKAGE.rglob("*.py")) for each in imports_of(path)]


def imports_of(path: Path) -> Iterator[Import]:
    relative = path.relative_to(PACKAGE)
    room = relative.parts[0].removesuffix(".py")
    for node, at_top, for_types in _walk(ast.parse(path.read_text()), at_top=True, for_types=False):
        for module in _modules(node):
            yield Import(f"{relative}:{node.lineno}", room, module, at_top, for_types)


def _walk(node: ast.AST, *, at_top: bool, for_types: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_top, for_types
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for each in child.body:
                yield from _walk(ast.Module([each], []), at_top=at_top, for_types=True)
            for each in child.orelse:
                yield from _walk(ast.Module([each], []), at_top=at_top, for_types=for_types)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, at_top=at_top and not inside, for_types=for_types)


def _modules(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.level == 0, "imports are absolute"
    assert node.module is not None
    for alias in node.names:
        full = f"{node.module}.{alias.name}"
        is_module = node.module.split(".")[0] == "gaal" and _is_module(full)
        # `from gaal import __version__` is no module, but no room either: it has a name in the table.
        yield full if is_module or node.module == "gaal" else node.module


def _is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_the_table_has_every_room_and_no_other() -> None:
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}

    assert set(rooms()) == there - {"__init__", "__pycache__"}


def test_every_room_imports_only_the_rooms_that_the_table_allows() -> None:
    table = rooms()
    between = [each for each in imports() if each.library == "gaal" and each.below.split(".")[0] != each.room]

    wrong = [each for each in between if each.room in table and not table[each.room].allows(each)]

    assert [f"{each.place}: {each.room} must not import {each.module}" for each in wrong] == []


def test_every_room_imports_only_the_libraries_of_the_table_at_the_top() -> None:
    table = rooms()
    foreign = [each for each in imports() if each.library not in sys.stdlib_module_names | {"gaal"}]
    at_top = [each for each in foreign if each.at_top and not each.for_types]

    wrong = [each for each in at_top if each.room in table and each.library not in table[each.room].libraries]

    assert [f"{each.place}: {each.room} must not import {each.module} at the top" for each in wrong] == []


def test_the_package_itself_imports_nothing_until_it_is_asked() -> None:
    own = [each for each in imports() if each.room == "__init__" and each.at_top and not each.for_types]

    assert [each for each in own if each.library not in sys.stdlib_module_names] == []


def test_nothing_imports_the_command_line() -> None:
    assert {each.room for each in imports() if f"{each.module}.".startswith("gaal.cli.")} == {"cli", "__main__"}


def test_the_table_promises_no_library_that_is_not_used() -> None:
    promised = {(room.name, library) for room in rooms().values() for library in room.libraries}

    assert promised - {(each.room, each.library) for each in imports() if each.at_top} == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import gaal.cli.main", ("gaal.cli.main", True, False)),
        ("from gaal.graph import rules", ("gaal.graph.rules", True, False)),
        ("from gaal.graph.load import load", ("gaal.graph.load", True, False)),
        ("from gaal import __version__", ("gaal.__version__", True, False)),
        ("def f():\n import xgboost", ("xgboost", False, False)),
        ("class A:\n import numpy", ("numpy", True, False)),
        ("try:\n import uvloop\nexcept ImportError: pass", ("uvloop", True, False)),
        ("if TYPE_CHECKING:\n from gaal.executor.node import Node", ("gaal.executor.node", True, True)),
    ],
)
def test_the_reader_sees_imports_wherever_they_stand(code: str, found: tuple[str, bool, bool]) -> None:
    [(node, at_top, for_types)] = _walk(ast.parse(code), at_top=True, for_types=False)

    assert (*_modules(node), at_top, for_types) == found
