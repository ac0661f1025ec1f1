"""Micro-batching: requests that wait while a unit is busy are answered by one call of its code.

Nobody waits for a batch to fill: a unit that is idle takes a request at once, and a unit that was busy takes all that
have come meanwhile. Joined are requests with the same names, the same type and the same shape of a row; each has its
own reply, with its own meta. If a batch fails, its requests are tried one by one, and each gets its own result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from gaal.components.thread import Finish, Waiting
from gaal.errors import GaalError
from gaal.messages import Message, Metric

logger = logging.getLogger("gaal.components")

MAX_ROWS = 64
"""How many rows are joined at most, where nobody says another number."""

Bounds: TypeAlias = Sequence[int]
Failure: TypeAlias = Callable[[BaseException], GaalError]


@dataclass(frozen=True, slots=True)
class RowWise:
    """One operation of a unit, in the steps that a batch needs apart.

    `prepare` gives the features and names of a message, and raises for a message that cannot be answered; `call` is the
    unit's code; `tell` takes what it returned, once a call; `split` cuts that at `bounds` into one part a request, or
    gives None if it has not as many rows; `reply` makes the reply of one request of its part. `failure` is what an
    exception of any of them means for the caller.
    """

    unit: str
    prepare: Callable[[Message], tuple[Any, Sequence[str]]]
    call: Callable[[Any, Sequence[str]], Any]
    tell: Callable[[Any], Any]
    split: Callable[[Any, Bounds], Sequence[Any] | None]
    reply: Callable[[Any, Message], Message]
    failure: Failure


@dataclass(slots=True)
class _Request:
    """A request whose features are known."""

    waiting: Waiting
    features: Any
    names: Sequence[str]

    @property
    def n_rows(self) -> int:
        return len(self.features) if self._is_array else 1

    @property
    def key(self) -> object:
        """Requests with equal keys may be joined. One whose features are no rows is like no other."""
        if not self._is_array or not self.features.ndim:
            return object()
        return tuple(self.names), self.features.dtype, self.features.shape[1:]

    @property
    def _is_array(self) -> bool:
        return isinstance(self.features, np.ndarray)


class Batches:
    """Answers the requests to one operation. All of it runs on a thread of the unit.

    `measure` is handed what each call was like: see `measured`.
    """

    def __init__(self, operation: RowWise, max_rows: int, measure: Callable[[Sequence[Metric]], None]) -> None:
        self._operation = operation
        self._max_rows = max_rows
        self._measure = measure
        self.max_calls = max_rows

    def answer(self, calls: Sequence[Waiting], finish: Finish) -> None:
        """The result or the error of each call."""
        requests = [request for each in calls if (request := self._prepared(each, finish)) is not None]
        if len(requests) == 1:
            self._joined(requests, finish)
            return
        groups: dict[object, list[_Request]] = {}
        for request in requests:
            groups.setdefault(request.key, []).append(request)
        for group in groups.values():
            for batch in _of_at_most(self._max_rows, group):
                self._answer(batch, finish)

    def _prepared(self, waiting: Waiting, finish: Finish) -> _Request | None:
        """None for a request that is answered by an error already."""
        try:
            return _Request(waiting, *self._operation.prepare(waiting.subject))
        except (Exception, SystemExit) as error:
            finish(waiting.future, None, self._operation.failure(error))
            return None

    def _answer(self, batch: Sequence[_Request], finish: Finish) -> None:
        batch = [each for each in batch if not each.waiting.future.cancelled()]
        if len(batch) > 1 and not self._joined(batch, finish):
            for request in batch:
                self._joined([request], finish)
        elif len(batch) == 1:
            self._joined(batch, finish)

    def _joined(self, batch: Sequence[_Request], finish: Finish) -> bool:
        """Answer by one call. Of several requests, False says that none is answered."""
        operation = self._operation
        started = perf_counter()
        try:
            features = batch[0].features if len(batch) == 1 else np.concatenate([each.features for each in batch])
            returned = operation.call(features, batch[0].names)
            self._measure(measured(batch, started, perf_counter()))
            told = operation.tell(returned)
            parts = [told] if len(batch) == 1 else operation.split(told, _bounds(batch))
        except (Exception, SystemExit) as error:
            if len(batch) > 1:
                logger.info('unit "%s": %d requests failed together, each is tried alone', operation.unit, len(batch))
                return False
            finish(batch[0].waiting.future, None, operation.failure(error))
            return True
        if parts is None:
            self._give_up()
            return False
        for request, part in zip(batch, parts, strict=True):
            self._reply(request, part, finish)
        return True

    def _reply(self, request: _Request, part: Any, finish: Finish) -> None:
        try:
            reply = self._operation.reply(part, request.waiting.subject)
        except (Exception, SystemExit) as error:
            finish(request.waiting.future, None, self._operation.failure(error))
        else:
            finish(request.waiting.future, reply, None)

    def _give_up(self) -> None:
        """The code does not answer a row for a row, whatever it is declared to do."""
        self.max_calls = self._max_rows = 1
        logger.warning(
            'unit "%s": declared row-wise, but its reply has not a row for each row of the request; no requests are '
            "joined any more",
            self._operation.unit,
        )


ROWS, QUEUE_MS, MODEL_MS = "rows", "queue", "model"
"""The keys of what is measured: rows of a call, how long each request had waited for it, how long the call took."""


def measured(batch: Sequence[_Request], started: float, ended: float) -> list[Metric]:
    rows = sum(each.n_rows for each in batch)
    waited = [Metric(QUEUE_MS, "TIMER", (started - each.waiting.since) * 1000) for each in batch]
    return [Metric(ROWS, "GAUGE", rows), Metric(MODEL_MS, "TIMER", (ended - started) * 1000), *waited]


def split_rows(returned: Any, bounds: Bounds) -> list[Any] | None:
    """An array or a list with a row for each row, cut at the bounds; None for anything else."""
    if not isinstance(returned, np.ndarray | list) or (isinstance(returned, np.ndarray) and not returned.ndim):
        return None
    if len(returned) != bounds[-1]:
        return None
    return [returned[start:end] for start, end in pairwise(bounds)]


def _bounds(batch: Sequence[_Request]) -> list[int]:
    bounds = [0]
    for each in batch:
        bounds.append(bounds[-1] + each.n_rows)
    return bounds


def _of_at_most(max_rows: int, group: Sequence[_Request]) -> Iterator[list[_Request]]:
    """The group in parts with so many rows. A request that has more by itself stays whole."""
    part: list[_Request] = []
    n_rows = 0
    for request in group:
        if part and n_rows + request.n_rows > max_rows:
            yield part
            part, n_rows = [], 0
        part.append(request)
        n_rows += request.n_rows
    if part:
        yield part
