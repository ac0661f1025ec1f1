"""SeldonDeployment documents from files, folders and texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gaal.errors import GraphError, Violation
from gaal.graph import defaults, names, rules, schema, validate
from gaal.graph.deployment import Deployment
from gaal.graph.freeze import frozen
from gaal.graph.places import around, known_names, shown
from gaal.graph.servers import NONE, Servers
from gaal.graph.text import parse, read_text

SUFFIXES = (".json", ".yaml", ".yml")
"""The files of a folder that are read."""

_LISTS = ("List", "SeldonDeploymentList")


def load(path: Path, servers: Servers = NONE) -> tuple[Deployment, ...]:
    """The deployments in a YAML or JSON file, or in the files of a folder in the order of their names.

    A folder's files may also hold documents of other kinds, which are skipped with a warning. `servers` may stand as
    implementations beside those that Gaal has itself. Raises GraphError with every violation of every document.
    """
    return tuple(each.deployment for each in check(path, servers))


@dataclass(frozen=True, slots=True)
class Checked:
    """A document that breaks no rule: with its defaults filled in, and frozen.

    `prefix` is what goes before its places, "" if it is alone; the places of `warnings` have it already.
    """

    document: schema.Document
    deployment: Deployment
    prefix: str
    warnings: tuple[Violation, ...]


def check(path: Path, servers: Servers = NONE) -> tuple[Checked, ...]:
    """As `load`, with the documents beside the deployments: what has to name places in them needs both."""
    if not path.is_dir():
        found = _documents(read_text(path, str(path)), str(path), prefix="")
        return _checked(str(path), found, servers, skip_others=False)
    documents: list[_Found] = []
    violations: list[Violation] = []
    for file in _files(path):
        prefix = f"{file.name}: "
        try:
            documents += _documents(read_text(file, str(file)), str(file), prefix)
        except GraphError as error:
            violations += (replace(each, path=prefix + each.path) for each in error.violations)
    return _checked(str(path), documents, servers, skip_others=True, violations=violations)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.suffix in SUFFIXES and each.is_file())
    except OSError as error:
        raise GraphError(str(folder), [Violation("document", f"{rules.UNREADABLE}: {error.strerror}")]) from None


def loads(text: str, source: str, servers: Servers = NONE) -> tuple[Deployment, ...]:
    """The deployments in a text, YAML or JSON; `source` names it in errors. Raises GraphError as `load` does."""
    return tuple(each.deployment for each in check_text(text, source, servers))


def check_text(text: str, source: str, servers: Servers = NONE) -> tuple[Checked, ...]:
    """As `loads`, with the documents beside the deployments."""
    return _checked(source, _documents(text, source, prefix=""), servers, skip_others=False)


@dataclass(frozen=True, slots=True)
class _Found:
    """A document of some kind, and the way to it: "", or a file's name, a document's number or an item's place."""

    data: Any
    prefix: str


def _documents(text: str, source: str, prefix: str) -> list[_Found]:
    parsed = parse(text, source)
    numbered = len(parsed) > 1
    found: list[_Found] = []
    for index, data in enumerate(parsed):
        found += _flat(data, f"{prefix}document {index + 1}: " if numbered else prefix)
    return found


def _flat(data: Any, prefix: str) -> Iterator[_Found]:
    """The document, or the items of a list as `kubectl get` prints it. An empty document is none."""
    if isinstance(data, dict) and data.get("kind") in _LISTS and isinstance(data.get("items"), list):
        for index, item in enumerate(data["items"]):
            yield _Found(item, f"{prefix}items[{index}]: ")
    elif data is not None:
        yield _Found(data, prefix)


def _checked(
    source: str, found: Sequence[_Found], servers: Servers, skip_others: bool, violations: Sequence[Violation] = ()
) -> tuple[Checked, ...]:
    violations = list(violations)
    skipped: list[Violation] = []
    checked: list[Checked] = []
    places: dict[tuple[str, str], str] = {}
    for each in found:
        other = _other_kind(each, rules.OTHER_KIND if skip_others else rules.KIND)
        if other and skip_others:
            skipped.append(other)
            continue
        if other:
            violations.append(other)
            continue
        document, wrong, warnings = _read(each, servers)
        violations += wrong
        violations += _named_before(document, each.prefix, places)
        if not violations:
            deployment = frozen(document, [str(warning) for warning in warnings], servers)
            checked.append(Checked(document, deployment, each.prefix, tuple(warnings)))
    if not violations and not checked:
        violations.append(Violation("document", rules.NO_DEPLOYMENT))
    if violations:
        raise GraphError(source, violations)
    checked[0] = _warned(checked[0], skipped)
    return tuple(checked)


def _warned(first: Checked, skipped: Sequence[Violation]) -> Checked:
    """The first document of a folder has the warnings about the others."""
    texts = [str(each) for each in skipped]
    deployment = replace(first.deployment, warnings=(*texts, *first.deployment.warnings))
    return replace(first, deployment=deployment, warnings=(*skipped, *first.warnings))


def _other_kind(found: _Found, rule: str) -> Violation | None:
    """The violation of a document that is of another kind."""
    if not isinstance(found.data, dict):
        return Violation(f"{found.prefix}document", rules.NEEDS_MAPPING, shown(found.data))
    kind = found.data.get("kind")
    if kind == names.KIND:
        return None
    hint = known_names(kind, [names.KIND]) if isinstance(kind, str) else ""
    return Violation(f"{found.prefix}kind", rule + hint, shown(kind))


def _read(found: _Found, servers: Servers) -> tuple[schema.Document, list[Violation], list[Violation]]:
    """A document with its defaults, what is wrong with it, and its warnings."""
    written, wrong_types = schema.read(found.data)
    document = defaults.filled(written, servers)
    broken = _independent(validate.violations(document, servers), wrong_types)
    odd = [*schema.unknown_fields(written, ""), *validate.warnings(written, document, servers)]
    violations = [replace(each, path=found.prefix + each.path) for each in (*wrong_types, *broken)]
    return document, violations, [replace(each, path=found.prefix + each.path) for each in odd]


def _independent(broken: Iterable[Violation], wrong_types: Sequence[Violation]) -> Iterator[Violation]:
    """The broken rules that stay broken whatever stands in the place of the values that are of a wrong type."""
    wrong = {each.path for each in wrong_types}
    touched = {path for each in wrong for path in around(each)}
    code_is_open = any("componentSpecs" in path or "annotations" in path for path in wrong)
    for each in broken:
        follows = each.path in touched or not wrong.isdisjoint(around(each.path))
        if not follows and not (code_is_open and each.rule == rules.NO_CODE):
            yield each


def _named_before(document: schema.Document, prefix: str, places: dict[tuple[str, str], str]) -> Iterator[Violation]:
    """The violation of a deployment whose name stood before; `places` has the names so far and gets this one."""
    name, namespace = document.metadata.name, document.metadata.namespace
    here = f"{prefix}metadata.name"
    if name and (namespace, name) in places:
        rule = f"{rules.DUPLICATE_DEPLOYMENT}; it is also at {places[namespace, name]}"
        yield Violation(here, rule, f"{namespace}/{name}")
    elif name:
        places[namespace, name] = here
