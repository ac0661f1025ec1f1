"""Who answers a request of the Classifier API, and what becomes of the reply: the same over REST and gRPC.

A client's strategy says which variation answers; without one the only deployment that is there for the caller does, as
the variation `default`. Where there are several, the headers `seldon` and `namespace` name one.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

from gaal.errors import NotFound, StrategyMissing
from gaal.executor.context import Context
from gaal.executor.deployment import RunningDeployment
from gaal.executor.plan import plan_of
from gaal.executor.predictor import RunningPredictor
from gaal.gateway.caller import ANONYMOUS, Caller
from gaal.gateway.predict_algs import DEFAULT_VARIATION, ServedDeployment
from gaal.gateway.registrations import RegisteredTypes
from gaal.gateway.scope import EVERYTHING
from gaal.gateway.strategies import FindDeployment, RunningVariation, Strategies, Target, first_answer
from gaal.messages import Encoding, Message
from gaal.observability.labels import predictor_labels
from gaal.observability.listener import ServerMetrics, ServerObservers
from gaal.protocols import classifier
from gaal.protocols.own_types import OwnTypes
from gaal.transport.access import Access
from gaal.transport.deployments import Deployments, Served
from gaal.transport.in_flight import within

STICKY_KEY = b"gaal-sticky-key"
"""The header by whose value the same variation answers always."""

_CREDENTIALS = (b"authorization", b"oauth_token", b"cookie")
"""Headers that no unit elsewhere needs to see."""


class Observed(Protocol):
    """A call or a request, which is told whose metrics count it."""

    observers: ServerObservers | None


class Question(NamedTuple):
    """A request: by whom, what, and in which form the answer goes out.

    `headers` are those it came with. The same `sticky_key` gets the same variation, "" any. The metrics of the
    deployment that was asked last count what was `observed`.
    """

    caller: Caller
    message: Message
    types: OwnTypes
    puid: str
    headers: Mapping[bytes, bytes]
    sticky_key: str
    observed: Observed
    encoding: Encoding = Encoding.JSON


class _Said(NamedTuple):
    """A reply, and its bytes."""

    body: bytes
    reply: Message


class Classifying:
    """The one way to an answer."""

    def __init__(
        self,
        deployments: Deployments,
        strategies: Strategies,
        types: RegisteredTypes,
        access: Access,
        metrics: ServerMetrics,
        *,
        anonymous: bool,
    ) -> None:
        """With `anonymous`, a call without any token is answered by a deployment."""
        self.access = access
        self.anonymous = anonymous
        self._deployments = deployments
        self._strategies = strategies
        self._types = types
        self._metrics = metrics
        self._served = {each.running: each for each in deployments}
        self._observers: dict[str, ServerObservers] = {}
        self._models: WeakKeyDictionary[RunningPredictor, frozenset[str]] = WeakKeyDictionary()

    async def caller_of_token(self, token: bytes | None) -> Caller:
        """Who shows this token. Raises AccessError, and StoreError if nobody can say."""
        if token is None and self.anonymous:
            return ANONYMOUS
        return self.access.known(token, writes=True) or await self.access.caller(token, writes=True)

    async def caller_of_js_key(self, key: str | None, referrer: str | None) -> Caller:
        """Who shows this key. Raises as `caller_of_token`."""
        if not key and self.anonymous:
            return ANONYMOUS
        found = await self.access.accounts.caller_of_js_key(key, referrer)
        return Caller(found.client, EVERYTHING, found.key)  # that it is for these paths has been seen to

    def types_of(self, caller: Caller) -> OwnTypes:
        """What this caller has registered."""
        return self._types.of(caller.client)

    async def answer(self, question: Question) -> bytes:
        """The reply's bytes. Raises GaalError."""
        client = question.caller.client
        strategy = self._strategies.of(client) if client else None
        if strategy is None:
            served = self._only(question.caller, question.headers)
            alone = RunningVariation(DEFAULT_VARIATION, ())
            return (await self._ask(served.running, alone, question)).body
        with strategy:
            variation = strategy.choose(question.sticky_key)
            if len(variation.algorithms) == 1:
                return (await self._ask(variation.algorithms[0](), variation, question)).body
            said = await first_answer(variation, self._asking(variation, question), _has_predictions)
            return said.body

    def _only(self, caller: Caller, headers: Mapping[bytes, bytes]) -> Served:
        """The deployment that the headers name, else the only one there is for this caller.

        Raises NotFound, and StrategyMissing where there is not one alone.
        """
        name = headers.get(b"seldon")
        only = self._deployments.only
        if only is not None and name is None and only.is_seen_by(caller):
            return only
        seen = self._deployments.seen_by(caller)
        if name is not None:
            return seen.find(headers.get(b"namespace", b"").decode("latin-1"), name.decode("latin-1"))
        found = list(seen)
        if len(found) != 1:
            who = f"client {caller.client} has no strategy" if caller.client else "a call without a token has none"
            raise StrategyMissing(f"predict_algs: {who}, and may ask {len(found)} deployments; must be one")
        return found[0]

    def _asking(self, variation: RunningVariation, question: Question) -> Callable[[Target], Awaitable[_Said]]:
        async def ask(target: Target) -> _Said:
            return await self._ask(target(), variation, question, question.message.copy())

        return ask

    async def _ask(
        self,
        running: RunningDeployment,
        variation: RunningVariation,
        question: Question,
        message: Message | None = None,
    ) -> _Said:
        served = self._deployments.serving(running) or self._made(running)
        if question.caller is not ANONYMOUS:
            _check_allowed(served, question.caller)
        predictor = running.choose()
        question.observed.observers = served.observers[predictor.predictor.name]
        is_json = question.encoding is Encoding.JSON
        context = Context(question.puid, question.encoding, _without_credentials(question.headers))
        work = running.predict(message or question.message, context, predictor)
        timeout_s = served.rest_timeout_s if is_json else served.grpc_timeout_s
        reply = await work if timeout_s is None else await within(timeout_s, work, context)
        encode = classifier.encode_json if is_json else classifier.encode_proto
        body = encode(
            reply,
            question.types,
            puid=question.puid,
            model_name=self._model_name(predictor, context),
            variation=variation.label,
        )
        return _Said(body, reply)

    def _made(self, running: RunningDeployment) -> Served:
        """A microservice's deployment, which comes and goes with a strategy. What counts it stays, by its name."""
        deployment = running.deployment
        observers = self._observers.get(deployment.name)
        if observers is None:
            observers = self._metrics.observers(*predictor_labels(deployment, deployment.predictors[0]))
            self._observers[deployment.name] = observers
        return Served(running, {deployment.predictors[0].name: observers}, observers, None, None)

    def _model_name(self, predictor: RunningPredictor, context: Context) -> str:
        """The unit that was asked last to predict; the root of a graph where none was."""
        models = self._models.get(predictor)
        if models is None:
            units = predictor.predictor.graph.walk()
            models = frozenset(unit.name for unit in units if plan_of(unit).on_input == "predict")
            self._models[predictor] = models
        return next((name for name in reversed(context.routing) if name in models), predictor.predictor.graph.name)


def _check_allowed(served: Served, caller: Caller) -> None:
    """Raises PermissionDenied, and NotFound where the default strategy names what is not there for the caller."""
    if served.clients is not None and caller.client not in served.clients:
        raise NotFound("predict_algs: the deployment that it names is not there for this client")
    served.check_allowed(caller, writes=True)


def _has_predictions(said: _Said) -> bool:
    return bool(classifier.classification_of(said.reply).predictions)


def _without_credentials(headers: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    if any(name in headers for name in _CREDENTIALS):
        return {name: value for name, value in headers.items() if name not in _CREDENTIALS}
    return headers


def finder(deployments: Deployments) -> FindDeployment:
    """Finds the deployments that strategies name, as far as they are there for the client."""

    def find(client: str, which: ServedDeployment) -> RunningDeployment:
        seen = deployments.seen_by(Caller(client, EVERYTHING, "")) if client else deployments
        return seen.find(which.namespace, which.deployment).running

    return find


def new_puid() -> str:
    """40 hexadecimal digits, as in Seldon Server, of 160 random bits."""
    return os.urandom(20).hex()


def sendable(puid: str) -> bool:
    """Whether a puid that a client chose can stand in a header."""
    return puid.isascii() and puid.isprintable()
