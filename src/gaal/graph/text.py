"""From the text of a file to plain data: YAML or JSON, bounded in length, depth and size.

Nothing here knows what a deployment is. Mappings keep their order and have text keys only, as in Kubernetes a null
is the same as nothing, and no two places share one object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from gaal.errors import GraphError, Violation
from gaal.graph import rules
from gaal.graph.places import place, shown

# No larger object can be stored in Kubernetes: etcd takes 1.5 MiB.
MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 200
MAX_VALUES = 50_000
# Longer numbers stay text: nothing here counts that far, and Python refuses to print them.
_MAX_DIGITS = 100

_TAG = "tag:yaml.org,2002:"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Mapping(dict[str, Any]):
    """A mapping as written; `repeated` has the keys that stand in it more than once."""

    def __init__(self) -> None:
        super().__init__()
        self.repeated: list[str] = []

    def put(self, key: str, value: Any) -> None:
        if key in self:
            self.repeated.append(key)
        self[key] = value


def read_text(path: Path, source: str) -> str:
    """The text of a file; `source` names it in errors. Raises GraphError if it is no file, too long or not UTF-8."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise GraphError(source, [Violation("document", f"{rules.UNREADABLE}: {reason}")]) from None
    if len(content) > MAX_BYTES:
        raise GraphError(source, [Violation("document", rules.TOO_LONG)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise GraphError(source, [Violation(f"line {line}, column {column}", rules.NOT_UTF8)]) from None


def parse(text: str, source: str) -> list[Any]:
    """The documents of a text, as plain data.

    A `source` that ends in .json, or a text that is JSON, is read as JSON: one document. Raises GraphError if
    the text is too long or no valid YAML or JSON, nests too deep, grows too big by its aliases, contains a value that
    contains itself, or a key twice.
    """
    if len(text) > MAX_BYTES:
        _fail(source, "", rules.TOO_LONG, f"{len(text)} characters")
    written = _parse_json(text, source)
    if written is None:
        written = list(_parse_yaml(text, source))
    plain = _Plain()
    try:
        documents = [plain.value(document, _prefix(index, len(written))) for index, document in enumerate(written)]
    except _Rejected as error:
        _fail(source, error.path, error.rule)
    if plain.violations:
        raise GraphError(source, plain.violations)
    return documents


def _prefix(index: int, n_documents: int) -> str:
    return f"document {index + 1}: " if n_documents > 1 else ""


def _fail(source: str, path: str, rule: str, value: Any = None) -> NoReturn:
    raise GraphError(source, [Violation(path or "document", rule, shown(value))]) from None


def _parse_json(text: str, source: str) -> list[Any] | None:
    """The one document of a JSON text; None if the text is no JSON and may be YAML."""
    if not source.endswith(".json") and not text.lstrip().startswith("{"):
        return None
    try:
        return [json.loads(text, object_pairs_hook=_json_object, parse_int=_integer, parse_constant=str)]
    except RecursionError:
        _fail(source, "", rules.TOO_DEEP)
    except json.JSONDecodeError as error:
        if not source.endswith(".json"):
            return None
        _fail(source, f"line {error.lineno}, column {error.colno}", f"{rules.SYNTAX}: {error.msg}")


def _json_object(pairs: list[tuple[str, Any]]) -> _Mapping:
    mapping = _Mapping()
    for key, value in pairs:
        mapping.put(key, value)
    return mapping


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _parse_yaml(text: str, source: str) -> Iterator[Any]:
    try:
        loader = _Loader(text)
        try:
            yield from _Builder(loader).documents()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        _fail(source, where, f"{rules.SYNTAX}: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        line, column = _line_and_column(text, error.position)
        _fail(source, f"line {line}, column {column}", f"{rules.SYNTAX}: {error.reason}")
    except UnicodeEncodeError as error:
        line, column = _line_and_column(text, error.start)
        _fail(source, f"line {line}, column {column}", rules.NOT_UTF8)
    except _Rejected as error:
        _fail(source, error.path, error.rule)


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - before.rfind("\n")


class _Rejected(Exception):
    """The rest of the text is not worth reading."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(rule)
        self.path = path
        self.rule = rule


def _position(event: yaml.NodeEvent) -> str:
    mark = event.start_mark
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "document"


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet, and the key that waits for its value."""

    collection: _Mapping | list[Any]
    key: str | None = None
    merged: list[Any] = field(default_factory=list)

    def add(self, value: Any) -> None:
        if isinstance(self.collection, list):
            self.collection.append(value)
        elif self.key is not None:
            self.collection.put(self.key, value)
            self.key = None


class _Builder:
    """Builds documents from the parser's events, without recursion: the depth of a text costs no stack.

    The composer of PyYAML recurses in C, accepts a key twice and knows no limits; hence this one.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._open: list[_Open] = []
        self._anchors: dict[str | None, Any] = {}
        self._root: Any = None
        self._n_values = 0

    def documents(self) -> Iterator[Any]:
        while self._loader.check_event():
            event = self._loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                self._root, self._anchors = None, {}
            elif isinstance(event, yaml.DocumentEndEvent):
                yield self._root
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
            elif isinstance(event, yaml.NodeEvent):
                self._node(event)

    def _node(self, event: yaml.NodeEvent) -> None:
        self._n_values += 1
        if self._n_values > MAX_VALUES:
            raise _Rejected(_position(event), rules.TOO_MANY_VALUES)
        if self._takes_key():
            self._key(event)
            return
        value = self._value(event)
        self._add(value)
        if isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) == MAX_DEPTH:
                raise _Rejected(_position(event), rules.TOO_DEEP)
            self._open.append(_Open(value))

    def _takes_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].collection, _Mapping) and self._open[-1].key is None

    def _key(self, event: yaml.NodeEvent) -> None:
        """A key is the text that is written, whatever else it could mean: Kubernetes knows no other keys."""
        if isinstance(event, yaml.ScalarEvent):
            key = event.value
        elif isinstance(event, yaml.AliasEvent) and isinstance(self._anchors.get(event.anchor), str):
            key = self._anchors[event.anchor]
        else:
            raise _Rejected(_position(event), f"{rules.SYNTAX}: a key must be a text")
        self._open[-1].key = key
        if event.anchor and not isinstance(event, yaml.AliasEvent):
            self._anchors[event.anchor] = key

    def _value(self, event: yaml.NodeEvent) -> Any:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _Rejected(_position(event), f'{rules.SYNTAX}: there is no anchor "{shown(event.anchor)}"')
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        else:
            value = _Mapping() if isinstance(event, yaml.MappingStartEvent) else []
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        """Null, boolean and number where the text means one; all else, dates too, is text as in Kubernetes."""
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        construct = _CONSTRUCT.get(tag.removeprefix(_TAG))
        if construct is None or len(event.value) > _MAX_DIGITS:
            return event.value
        try:
            return getattr(self._loader, construct)(yaml.ScalarNode(tag, event.value))
        except (ValueError, KeyError, OverflowError):
            return event.value

    def _add(self, value: Any) -> None:
        if not self._open:
            self._root = value
        elif self._open[-1].key == "<<":
            self._open[-1].key = None
            self._open[-1].merged.append(value)
        else:
            self._open[-1].add(value)

    def _close(self) -> None:
        closed = self._open.pop()
        for merged in closed.merged:
            for mapping in merged if isinstance(merged, list) else [merged]:
                _merge(closed.collection, mapping)


def _merge(into: _Mapping | list[Any], mapping: Any) -> None:
    """What `<<` stands for: keys that are not written in the mapping itself."""
    if isinstance(into, _Mapping) and isinstance(mapping, _Mapping):
        for key, value in mapping.items():
            into.setdefault(key, value)


_CONSTRUCT = {
    "null": "construct_yaml_null",
    "bool": "construct_yaml_bool",
    "int": "construct_yaml_int",
    "float": "construct_yaml_float",
}


class _Plain:
    """Copies parsed values into plain ones, and collects what is wrong with them and where.

    Plain loops, no comprehensions: each would be one more call on the stack for every level.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._n_values = 0
        self._inside: list[int] = []

    def value(self, value: Any, path: str) -> Any:
        self._n_values += 1
        if self._n_values > MAX_VALUES:
            raise _Rejected(path, rules.TOO_MANY_VALUES)
        if not isinstance(value, dict | list):
            return value
        if id(value) in self._inside:
            self.violations.append(Violation(path, rules.CYCLE))
            return None
        if len(self._inside) == MAX_DEPTH:
            raise _Rejected(path, rules.TOO_DEEP)
        self._inside.append(id(value))
        copy = self._list(value, path) if isinstance(value, list) else self._mapping(value, path)
        self._inside.pop()
        return copy

    def _list(self, values: list[Any], path: str) -> list[Any]:
        copy = []
        for index, value in enumerate(values):
            copy.append(self.value(value, place(path, index)))
        return copy

    def _mapping(self, mapping: dict[str, Any], path: str) -> dict[str, Any]:
        for key in mapping.repeated if isinstance(mapping, _Mapping) else ():
            self.violations.append(Violation(place(path, key), rules.DUPLICATE_KEY, shown(mapping[key])))
        copy = {}
        for key, value in mapping.items():
            copied = self.value(value, place(path, key))
            if copied is not None:
                copy[key] = copied
        return copy
