"""How the code of a unit is found in a document that was written for containers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from gaal.graph import names
from gaal.graph.annotations import COMPONENT, Annotation, Annotations
from gaal.graph.deployment import UnitType
from gaal.graph.places import place
from gaal.graph.schema import Container, EnvVar, Predictor, Unit

_COMPONENT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*)?")
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$\((\w+)\)|\$(\w+)")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_SEPARATOR = re.compile(r"[;&|<>()]+")
_SHELLS = ("sh", "bash", "dash", "ash")

_FLAGS_WITH_VALUE = (
    *("--service-type", "--parameters", "--log-level", "--pidfile", "--app-dir", "--host"),
    *("--workers", "--threads", "--max-requests", "--max-requests-jitter", "--keepalive", "--grpc-threads"),
    *("--grpc-workers", "--http-port", "--grpc-port", "--metrics-port"),
)
# A value may follow these. Only words that cannot be a class are taken for one.
_FLAGS_WITH_OPTIONAL_VALUE = ("--persistence", "--debug", "--tracing", "--single-threaded", "--access-log")
_OPTIONAL_VALUES = ("0", "1", "true", "false", "True", "False")


@dataclass(frozen=True, slots=True)
class Code:
    """The component that stands at a unit, and the parameters as JSON text that came with it."""

    component: str
    parameters: str = ""


def is_component(text: str) -> bool:
    """Whether a text has the form of `pkg.mod:Class`, `pkg.mod.Class` or `Module`."""
    return _COMPONENT.fullmatch(text) is not None


def needs_code(unit: Unit) -> bool:
    """Whether neither an implementation nor a remote endpoint says what stands at a unit; defaults are filled in."""
    if unit.endpoint.service_host or unit.implementation != names.UNKNOWN_IMPLEMENTATION:
        return False
    return unit.type != UnitType.UNKNOWN_TYPE.value or bool(unit.methods)


def container_of(unit: Unit, predictor: Predictor) -> Container | None:
    """The container that has the unit's name."""
    return next((container for _, container in _containers(predictor) if container.name == unit.name), None)


def container_place(unit: Unit, predictor: Predictor) -> str:
    """Where in its predictor the container of the unit's name stands; "componentSpecs" if there is none."""
    return next((path for path, container in _containers(predictor) if container.name == unit.name), "componentSpecs")


def _containers(predictor: Predictor) -> Iterator[tuple[str, Container]]:
    for index, component_spec in enumerate(predictor.componentSpecs):
        for number, container in enumerate(component_spec.spec.containers):
            yield place("componentSpecs", index, "spec", "containers", number), container


def annotated(unit: Unit, annotations: Annotations) -> Annotation | None:
    """The annotation that names the unit's component."""
    return annotations.get(COMPONENT + unit.name)


def find(unit: Unit, predictor: Predictor, annotations: Annotations) -> Code | None:
    """The code of a unit: from its annotation, else its container's command, else the container's MODEL_NAME."""
    container = container_of(unit, predictor)
    in_container = _in_container(container) if container else None
    annotation = annotated(unit, annotations)
    if annotation:
        return Code(_colon(annotation.value), in_container.parameters if in_container else "")
    return in_container if needs_code(unit) else None


def _in_container(container: Container) -> Code | None:
    env = environment(container.env)
    code = _from_command([*container.command, *container.args], env)
    if code is None and is_component(env.get("MODEL_NAME", "")):
        code = Code(_colon(env["MODEL_NAME"]))
    if code and not code.parameters:
        return Code(code.component, env.get("PREDICTIVE_UNIT_PARAMETERS", ""))
    return code


def environment(variables: Iterable[EnvVar]) -> dict[str, str]:
    """The variables that have a plain value. Those from secrets and fields are not known here."""
    return {variable.name: variable.value for variable in variables if variable.value is not None}


def _from_command(words: Sequence[str], env: Mapping[str, str]) -> Code | None:
    for command, variables in _commands(words, env):
        arguments = _microservice_arguments(command)
        if arguments is not None:
            return _code([_expanded(word, variables) for word in arguments])
    return None


def _commands(words: Sequence[str], env: Mapping[str, str]) -> Iterator[tuple[list[str], Mapping[str, str]]]:
    """The commands of a container, each with its variables: one, or those of the script that a shell is given."""
    script = _script(words)
    if script is None:
        yield list(words), env
        return
    variables = dict(env)
    for command in _split(script):
        for word in command:
            if assignment := _ASSIGNMENT.fullmatch(word):
                variables[assignment[1]] = _expanded(assignment[2], variables)
        yield command, variables


def _script(words: Sequence[str]) -> str | None:
    """The text after `-c` where the words call a shell."""
    if not words or PurePosixPath(words[0]).name not in _SHELLS:
        return None
    for flag, text in pairwise(words):
        if re.fullmatch(r"-[a-z]*c", flag):
            return text
    return None


def _split(script: str) -> Iterator[list[str]]:
    """The commands of a shell script, as far as words, quotes and separators go."""
    lexer = shlex.shlex(script.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    command: list[str] = []
    try:
        for word in lexer:
            if _SEPARATOR.fullmatch(word):
                yield command
                command = []
            else:
                command.append(word)
    except ValueError:  # a quote that is not closed
        return
    yield command


def _microservice_arguments(command: Sequence[str]) -> list[str] | None:
    """What stands after the program that serves one component; None if the command calls another program."""
    for index, word in enumerate(command):
        program = PurePosixPath(word).name
        following = command[index + 1 : index + 2]
        if program == "seldon-core-microservice":
            return list(command[index + 1 :])
        if (program == "gaal" and following == ["microservice"]) or (
            word == "-m" and following == ["seldon_core.microservice"]
        ):
            return list(command[index + 2 :])
    return None


def _expanded(word: str, env: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: env.get(match[1] or match[2] or match[3], match[0]), word)


def _code(arguments: Sequence[str]) -> Code | None:
    """The component and the parameters among the arguments of a microservice. REST and GRPC were words of old."""
    component = parameters = ""
    remaining = iter(arguments)
    word = next(remaining, None)
    while word is not None:
        following = next(remaining, None)
        flag, assigned, value = word.partition("=")
        if not flag.startswith("-"):
            if not component and word not in ("REST", "GRPC") and is_component(word):
                component = word
        elif not assigned and _takes(flag, following):
            value, following = following or "", next(remaining, None)
        if flag == "--parameters":
            parameters = value
        word = following
    return Code(_colon(component), parameters) if component else None


def _takes(flag: str, following: str | None) -> bool:
    if flag in _FLAGS_WITH_VALUE:
        return following is not None
    return flag in _FLAGS_WITH_OPTIONAL_VALUE and following in _OPTIONAL_VALUES


def _colon(component: str) -> str:
    """`pkg.mod.Class`, as old commands have it, in the form `pkg.mod:Class`."""
    module, dot, name = component.rpartition(".")
    return f"{module}:{name}" if dot and ":" not in component else component
