"""A graph compiled into closures: what each unit is asked, and in which order, is decided here and never again.

The walk through one unit, for a prediction:

    transform the input, or predict → choose branches → children → combine → transform the output

and for feedback, children first, along the branches that the prediction took. Source of the rules: the service
orchestrator of Seldon Core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias, TypeVar

from gaal.errors import GaalError, InvalidRouting, MessageError
from gaal.executor.context import Context
from gaal.executor.events import CallObserver
from gaal.executor.node import ALL_BRANCHES, NO_BRANCH, Node
from gaal.executor.plan import Plan, plan_of
from gaal.graph.deployment import PredictiveUnit
from gaal.messages import Feedback, Message

Step: TypeAlias = Callable[[Message, Context], Awaitable[Message]]
FeedbackStep: TypeAlias = Callable[[Feedback, Context], Awaitable[Message | None]]
Choice: TypeAlias = Callable[[Message, Context], Awaitable[int]]

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class CompiledUnit:
    """A unit and all below it. `immediate` says that no call in it ever waits."""

    predict: Step
    send_feedback: FeedbackStep
    immediate: bool


def compile_graph(
    unit: PredictiveUnit, nodes: Mapping[str, Node], observer_of: Callable[[PredictiveUnit, str], CallObserver]
) -> CompiledUnit:
    """Compile `unit` and its children. `observer_of(unit, method)` is asked once for each call that may come."""
    node, plan = nodes[unit.name], plan_of(unit)
    children = [compile_graph(child, nodes, observer_of) for child in unit.children]

    def observed(method: str, call: Callable[[T, Context], Awaitable[R]]) -> Callable[[T, Context], Awaitable[R]]:
        return _observed(unit.name, call, observer_of(unit, method))

    steps: list[Step] = []
    if plan.on_input is not None:
        call = node.predict if plan.on_input == "predict" else node.transform_input
        steps.append(_observed(unit.name, call, observer_of(unit, plan.on_input), marks=True))
    if children:
        choose = observed("route", node.route) if plan.routes else None
        combine = observed("aggregate", node.aggregate) if plan.aggregates else None
        steps.append(_branching(unit.name, children, choose, combine))
    if plan.transforms_output:
        steps.append(observed("transform_output", node.transform_output))

    tell = observed("send_feedback", node.send_feedback) if plan.takes_feedback else None
    return CompiledUnit(
        predict=_in_order(steps),
        send_feedback=_feedback(unit.name, children, tell),
        immediate=_never_waits(plan, node) and all(child.immediate for child in children),
    )


def _never_waits(plan: Plan, node: Node) -> bool:
    asked = plan.on_input is not None or plan.routes or plan.aggregates or plan.transforms_output
    return node.immediate or not asked


def _in_order(steps: Sequence[Step]) -> Step:
    if len(steps) == 1:
        return steps[0]

    async def walk(message: Message, context: Context) -> Message:
        for step in steps:
            message = await step(message, context)
        return message

    return walk


def _observed(
    name: str, call: Callable[[T, Context], Awaitable[R]], observe: CallObserver, marks: bool = False
) -> Callable[[T, Context], Awaitable[R]]:
    """The call, watched. One that `marks` leaves its unit's name in the routing, as a unit that does not choose."""

    async def observed(argument: T, context: Context) -> R:
        if marks:
            context.routing[name] = ALL_BRANCHES
        started = perf_counter()
        try:
            result = await call(argument, context)
        except GaalError as error:
            observe(perf_counter() - started, error)
            raise
        except asyncio.CancelledError:
            context.interrupted = (*context.interrupted, name)
            raise
        observe(perf_counter() - started, None)
        return result

    return observed


def _branching(
    name: str,
    children: Sequence[CompiledUnit],
    choose: Choice | None,
    combine: Callable[[Sequence[Message], Context], Awaitable[Message]] | None,
) -> Step:
    predict_all = _all_of(children)
    steps = [child.predict for child in children]

    async def branching(message: Message, context: Context) -> Message:
        branch = ALL_BRANCHES if choose is None else await choose(message, context)
        context.routing[name] = branch
        if branch == NO_BRANCH:  # neither children nor combiner; the unit's output transformer still has its say
            return message
        if branch == ALL_BRANCHES:
            replies = await predict_all(message, context)
        elif 0 <= branch < len(steps):
            replies = [await steps[branch](message, context)]
        else:
            raise InvalidRouting(name, f"invalid routing: branch {branch} of {len(steps)} children")
        if combine is None:
            return replies[0]
        context.routing[name] = ALL_BRANCHES
        return await combine(replies, context)

    return branching


def _all_of(children: Sequence[CompiledUnit]) -> Callable[[Message, Context], Awaitable[list[Message]]]:
    """All children with the same message; the first error by position wins, after all have ended.

    Each further child gets a copy: one that writes into its array must not change what its siblings see.
    """
    steps = [child.predict for child in children]

    def one_each(message: Message) -> list[Message]:
        return [message, *(message.copy() for _ in steps[1:])]

    async def alone(message: Message, context: Context) -> list[Message]:
        return [await steps[0](message, context)]

    async def in_parallel(message: Message, context: Context) -> list[Message]:
        calls = [step(its_message, context) for step, its_message in zip(steps, one_each(message), strict=True)]
        return _without_errors(await asyncio.gather(*calls, return_exceptions=True))

    async def one_by_one(message: Message, context: Context) -> list[Message]:
        replies: list[Message | BaseException] = []
        for step, its_message in zip(steps, one_each(message), strict=True):
            try:
                replies.append(await step(its_message, context))
            except GaalError as error:
                replies.append(error)
        return _without_errors(replies)

    if len(steps) == 1:
        return alone
    return one_by_one if all(child.immediate for child in children) else in_parallel


def _without_errors(results: Sequence[R | BaseException]) -> list[R]:
    replies: list[R] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        replies.append(result)
    return replies


def _feedback(
    name: str,
    children: Sequence[CompiledUnit],
    tell: Callable[[Feedback, Context], Awaitable[Message]] | None,
) -> FeedbackStep:
    steps = [child.send_feedback for child in children]

    async def send_feedback(feedback: Feedback, context: Context) -> Message | None:
        for_children = steps if not steps else steps[_taken(name, feedback, len(steps), context)]
        if len(for_children) == 1:
            await for_children[0](feedback, context)
        elif for_children:
            outcomes = [step(feedback, context) for step in for_children]
            _without_errors(await asyncio.gather(*outcomes, return_exceptions=True))
        return None if tell is None else await tell(feedback, context)

    return send_feedback


def _taken(name: str, feedback: Feedback, n_children: int, context: Context) -> slice:
    """The children that the prediction went to. Without an entry in the routing, all of them hear of it."""
    routing = feedback.response.meta.routing if feedback.response is not None else {}
    branch = routing.get(name, ALL_BRANCHES)
    context.routing[name] = branch
    if branch == ALL_BRANCHES:
        return slice(None)
    if branch == NO_BRANCH:
        return slice(0)
    if not 0 <= branch < n_children:
        raise MessageError(f'response.meta.routing["{name}"]: must name one of {n_children} children, got {branch}')
    return slice(branch, branch + 1)
