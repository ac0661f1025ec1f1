"""What the code imports is what pyproject.toml declares, so a fresh environment has it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).parent.parent
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
ANSWERED_BY_GAAL = {"gaal", "seldon", "seldon_core"}
BROUGHT_BY_USERS = {"flask", "pandas"}  # for a class that has brought a Blueprint; for who asks for a data frame
BROUGHT_BY_USERS_OF_SELDON = {"fsspec", "pymemcache"}  # for locations elsewhere; for ids in a memcached
COMES_WITH_FLASK = {"werkzeug"}
COMES_WITH_H2CORN = {"uvloop"}  # by the extra that pyproject.toml asks for


def distributions(requirements: Iterable[str]) -> set[str]:
    return {_canonical(re.split(r"[^\w.-]", each)[0]) for each in requirements}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: Path) -> Iterator[tuple[str, str]]:
    """Each library that a file imports, with the file. The folder's own modules are none."""
    files = [path for path in sorted(folder.rglob("*.py")) if "node_modules" not in path.parts]
    own = {path.stem for path in files} | {path.parent.name for path in files}
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            for library in {module.split(".")[0] for module in modules}:
                if library not in sys.stdlib_module_names | ANSWERED_BY_GAAL | own:
                    yield library, str(path.relative_to(PROJECT))


def undeclared(folder: Path, declared: set[str]) -> set[tuple[str, str]]:
    provides = packages_distributions()
    return {
        (library, path)
        for library, path in imported(folder)
        if not {_canonical(each) for each in provides.get(library, [library])} & declared
    }


def extras(*names: str) -> set[str]:
    return distributions(each for name in names for each in DECLARED["optional-dependencies"][name])


NEEDED = distributions(DECLARED["dependencies"])


def test_the_package_imports_only_what_it_depends_on() -> None:
    declared = NEEDED | COMES_WITH_H2CORN | BROUGHT_BY_USERS

    assert undeclared(PROJECT / "src" / "gaal", declared) == set()


def test_the_package_seldon_imports_only_what_its_extra_brings_or_its_users_bring() -> None:
    declared = NEEDED | extras("seldon", "xgboost") | COMES_WITH_FLASK | BROUGHT_BY_USERS_OF_SELDON

    assert undeclared(PROJECT / "src" / "seldon", declared) == set()


def test_the_tests_import_only_what_the_extras_that_scripts_test_installs_bring() -> None:
    script = (PROJECT / "scripts" / "test").read_text()
    [installed] = re.findall(r'^prepare "(\S+)"$', script, re.MULTILINE)
    bare = dict(re.findall(r"^prepare_bare (\S+) (\S+)$", script, re.MULTILINE))

    declared = NEEDED | extras(*installed.split(",")) | set(bare)
    assert undeclared(PROJECT / "tests", declared) == set()
