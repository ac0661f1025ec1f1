"""A contract tried on a server: requests drawn from its features, replies held against its targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gaal.client.errors import BadReply, CallFailed, Unavailable
from gaal.contracts import rules
from gaal.contracts.asking import Server
from gaal.contracts.contract import Contract, Variable
from gaal.contracts.generate import batch
from gaal.contracts.replies import Broken, broken_rules
from gaal.messages import Feedback, Kind, Message, Payload

Endpoint = Literal["predict", "send-feedback", "transform-input"]
ENDPOINTS: tuple[Endpoint, ...] = ("predict", "send-feedback", "transform-input")

_REWARD = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be asked. `kind` is TENSOR or NDARRAY; variables with texts always go as NDARRAY."""

    endpoint: Endpoint = "predict"
    n_requests: int = 1
    n_rows: int = 1
    kind: Kind = Kind.NDARRAY


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked, what came (None where nothing did), and the rules that it breaks. `number` counts from 1."""

    number: int
    request: Message | Feedback
    reply: Message | None
    broken: Sequence[Broken]


def exchanges(contract: Contract, server: Server, plan: Plan, generator: np.random.Generator) -> Iterator[Exchange]:
    """The exchanges of a trial, one after the other. Nothing more is asked once nobody answers."""
    for number in range(1, plan.n_requests + 1):
        request = _request(contract, plan, generator)
        try:
            reply = _ask(server, plan.endpoint, request)
        except CallFailed as failed:
            rule = rules.MESSAGE if isinstance(failed, BadReply) else rules.ANSWER
            yield Exchange(number, request, None, [Broken("", failed.place, rule, _said(failed))])
            if isinstance(failed, Unavailable):
                return
            continue
        # The reply to feedback is whatever the component says to it.
        targets = () if plan.endpoint == "send-feedback" else contract.targets
        yield Exchange(number, request, reply, broken_rules(reply, targets, plan.n_rows))


def _request(contract: Contract, plan: Plan, generator: np.random.Generator) -> Message | Feedback:
    request = _message(contract.features, plan, generator)
    if plan.endpoint != "send-feedback":
        return request
    response = _message(contract.targets, plan, generator) if contract.targets else None
    truth = _message(contract.targets, plan, generator) if contract.targets else None
    return Feedback(request, response, _REWARD, truth)


def _message(variables: Sequence[Variable], plan: Plan, generator: np.random.Generator) -> Message:
    array = batch(variables, plan.n_rows, generator)
    names = [each.name for each in variables]
    if plan.kind is Kind.NDARRAY or any(each.has_text for each in variables):
        return Message(Payload(Kind.NDARRAY, array.tolist(), names))
    # Whole numbers beside others are objects, so that an ndarray keeps them whole; a tensor has one type.
    return Message(Payload(Kind.TENSOR, array.astype(np.float64) if array.dtype == object else array, names))


def _ask(server: Server, endpoint: Endpoint, request: Message | Feedback) -> Message:
    if isinstance(request, Feedback):
        return server.send_feedback(request)
    return server.transform_input(request) if endpoint == "transform-input" else server.predict(request)


def _said(failed: CallFailed) -> str:
    status = failed.http_status if failed.http_status is not None else failed.grpc_code
    return failed.info if status is None else f"{status}: {failed.info}"
