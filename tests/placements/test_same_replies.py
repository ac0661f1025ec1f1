"""Placement never changes meaning: whatever a unit is asked, it answers the same wherever its code runs.

The reply on the event loop is the measure. Two things differ by the nature of the wire, and are compared so:

* To a remote unit over gRPC everything goes as the published protobuf messages, and so does feedback over REST. There
  the numbers in tensors, lists and tags are doubles: 1 comes back as 1.0. So numbers are compared as numbers. Between
  Gaal and its own processes messages keep the form of the request: in `worker` even the type of a number is the same.
* A microservice keeps the contract of the Python wrapper, which knows nothing of the graph. Its replies to feedback and
  to questions of health name it in the request path. Its errors over REST have a status and words, and no reason of
  their own. Where the contract is something else altogether, the case says so in `own_rule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cases import CASES, Case
from placing import PLACEMENTS, placed
from running import predict, tell

from gaal.errors import ComponentAnswered, GaalError
from gaal.executor.context import Context
from gaal.executor.deployment import RunningDeployment
from gaal.messages import Encoding
from gaal.protocols import seldon_json, seldon_proto
from gaal.transport.errors import grpc_code, http_status

PLACED = [(case, placement) for case in CASES for placement in PLACEMENTS[1:] if placement not in case.own_rule]


@pytest.mark.parametrize(("case", "placement"), PLACED, ids=[f"{case}-{placement}" for case, placement in PLACED])
async def test_a_unit_answers_the_same_wherever_it_runs(case: Case, placement: str, tmp_path: Path) -> None:
    async with placed(tmp_path, "inline", case.graph, case.code) as running:
        expected = await outcomes(running, case)
    async with placed(tmp_path, placement, case.graph, case.code) as running:
        got = await outcomes(running, case)
    if placement.startswith("remote"):
        got, expected = as_over_the_wire(got), as_over_the_wire(expected)
    if placement == "remote REST":
        got, expected = as_in_words(got, expected)
    assert got == expected


@dataclass(frozen=True)
class Refusal:
    """What a caller learns of an error."""

    http_status: int
    grpc_code: str
    reason: str
    text: str
    reply: Any = None


async def outcomes(running: RunningDeployment, case: Case) -> dict[str, Any]:
    """What becomes of everything that the case asks."""
    work = {
        **{f"{encoding.value} {request}": asked(running, request, encoding) for encoding, request in requests(case)},
        **{f"feedback {feedback}": tell(running, feedback) for feedback in case.feedback},
        **({"health": health_of(running), "metadata": metadata_of(running)} if case.about else {}),
    }
    return {name: await outcome(each) for name, each in work.items()}


def requests(case: Case) -> list[tuple[Encoding, Any]]:
    return [(encoding, request) for encoding in case.encodings for request in case.requests]


async def asked(running: RunningDeployment, request: Any, encoding: Encoding) -> Any:
    """The reply as its caller gets it: over protobuf, where all numbers are doubles, if the request came so."""
    reply = await predict(running, request, encoding)
    if encoding is Encoding.PROTO:
        reply = seldon_proto.decode_message(seldon_proto.encode_message(reply))
    return seldon_json.object_of(reply)


async def outcome(work: Any) -> Any:
    try:
        return shown(await work)
    except ComponentAnswered as error:
        return Refusal(error.http_status, "", "", "", shown(seldon_json.object_of(error.reply)))
    except GaalError as error:
        return Refusal(http_status(error), grpc_code(error).name, error.reason, str(error))


def as_over_the_wire(outcomes: dict[str, Any]) -> dict[str, Any]:
    """The same without what differs by the nature of the wire."""
    numbers = {name: as_numbers(each) for name, each in outcomes.items()}
    return {name: without_path(each) if is_about_the_unit(name) else each for name, each in numbers.items()}


def is_about_the_unit(name: str) -> bool:
    return name.startswith(("feedback", "health"))


def without_path(reply: Any) -> Any:
    if not isinstance(reply, dict):
        return reply
    return {**reply, "meta": {key: each for key, each in reply["meta"].items() if key != "requestPath"}}


def as_numbers(value: Any) -> Any:
    """Every number a double; protobuf has no empty list that is there."""
    if isinstance(value, dict):
        return {key: as_numbers(each) for key, each in value.items() if (key, each) != ("values", [])}
    if isinstance(value, list):
        return [as_numbers(each) for each in value]
    return (
        Number(repr(float(value.text))) if isinstance(value, Number) and value.text not in ("True", "False") else value
    )


def as_in_words(got: dict[str, Any], expected: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both with nothing of their refusals but the status, and the last words if they are in both."""
    shortened: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for name, each in expected.items():
        other = got[name]
        if isinstance(each, Refusal) and isinstance(other, Refusal):
            words = each.reply["status"]["info"] if each.reply else each.text.rpartition(": ")[2]
            shortened[0][name] = other.http_status, words if words in other.text else other.text
            shortened[1][name] = each.http_status, words
        else:
            shortened[0][name], shortened[1][name] = other, each
    return shortened


async def health_of(running: RunningDeployment) -> Any:
    return seldon_json.object_of(await running.unit_health("m", Context("p")))


async def metadata_of(running: RunningDeployment) -> Any:
    return seldon_json.model_metadata_object(await running.unit_metadata("m"))


def shown(value: Any) -> Any:
    """A JSON value in which 1, 1.0 and true are three things, and NaN is equal to itself."""
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [shown(each) for each in value]
    return value if isinstance(value, str) or value is None else Number(repr(value))


@dataclass(frozen=True)
class Number:
    """A number or truth value, as Python writes it."""

    text: str
