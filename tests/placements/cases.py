"""What a unit may be asked, as requests to classes that each have something of their own.

No reply stands here: `test_same_replies.py` asks the unit on the event loop first, and then everywhere else.
`tests/components/test_user_class.py` says what the replies are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gaal.messages import Encoding

MODEL = "{name: m, type: MODEL, code: Model}"
TRANSFORMER = "{name: m, type: TRANSFORMER, code: Model}"
ROUTER = """
{name: m, type: ROUTER, code: Model, children: [
  {name: left, implementation: SIMPLE_MODEL}, {name: right, implementation: SIMPLE_MODEL}]}
"""
COMBINER = """
{name: m, type: COMBINER, code: Model, children: [
  {name: left, type: MODEL, code: Left}, {name: right, type: MODEL, code: Right}]}
"""

TENSOR = {"data": {"names": ["a", "b"], "tensor": {"shape": [1, 2], "values": [1, 2]}}}
NDARRAY = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}}
TFTENSOR = {"data": {"tftensor": {"dtype": "DT_DOUBLE", "tensorShape": {"dim": [{"size": "2"}]}, "doubleVal": [1, 2]}}}
TEXT = {"strData": "ä€😀"}
BYTES = {"binData": "AAE="}
JSON = {"jsonData": {"k": [1, 2.5, None, True, {"deep": "x"}], "big": 2**53}}
KINDS = (TENSOR, NDARRAY, TFTENSOR, TEXT, BYTES, JSON)
WRAPPER = "the wrapper says 400 and MICROSERVICE_BAD_DATA, and a microservice keeps its contract"
AS_THE_CALL_CAME = "a raw method of a microservice gets a dict over REST and protobuf over gRPC, as the wrapper does it"
REMOTE = ("remote gRPC", "remote REST")

META = {"puid": "p", "tags": {"t": 1, "list": [1.5, "x"]}, "metrics": [{"key": "old", "type": "GAUGE", "value": 7}]}


@dataclass(frozen=True)
class Case:
    """A graph whose units have this code, and what is asked of it, feedback after the requests.

    The unit that is asked is called `m`.
    """

    name: str
    code: str
    requests: tuple[Any, ...] = (NDARRAY,)
    graph: str = MODEL
    encodings: tuple[Encoding, ...] = (Encoding.JSON, Encoding.PROTO)
    feedback: tuple[Any, ...] = ()
    about: bool = False
    """Whether to ask for health and metadata too."""
    own_rule: Mapping[str, str] = field(default_factory=dict)
    """The placements in which it rightly answers something else, each with the reason."""

    def __str__(self) -> str:
        return self.name


def evaluating(*expressions: str) -> tuple[Any, ...]:
    """Requests that have their model return what these expressions say."""
    return tuple({**NDARRAY, "meta": {"tags": {"return": each}}} for each in expressions)


EVALUATE = """
import numpy as np
class Model:
    def predict(self, X, names, meta): return eval(meta["tags"]["return"])
"""

CASES = (
    Case("echo", "class Model:\n    def predict(self, X, names): return X\n", KINDS),
    Case("async", "class Model:\n    async def predict(self, X, names): return X\n", KINDS),
    Case(
        "numbers",
        "class Model:\n    def predict(self, X, names): return X * 2\n",
        (
            {"data": {"ndarray": [[1, -2], [3, 4]]}},
            {"data": {"ndarray": [[1.5, 2]]}},
            {"data": {"tensor": {"shape": [2, 2], "values": [1, 2, 3, 4.25]}}},
            {"data": {"ndarray": [[9007199254740991, 1]]}},
        ),
    ),
    Case("not finite", "class Model:\n    def predict(self, X, names): return [[float('nan'), float('inf'), 1.0]]\n"),
    Case(
        "what it returns",
        EVALUATE,
        evaluating(
            *("[[1.5, 2.5]]", "['hello', 'world']", "np.array([True, False])", "{'k': 1}", "'text'", "b'\\0\\1'"),
            *("[1, 2]", "X[0]", "np.array(3)", "[]", "[[1, 'a']]", "{'n': np.arange(3).tolist()}"),
        ),
    ),
    Case(
        "what is no payload",
        EVALUATE,
        evaluating("None", "1", "(1, 2)", "np.float64(1)"),
        own_rule=dict.fromkeys(REMOTE, WRAPPER),
    ),
    Case(
        "what it is given",
        "class Model:\n    def predict(self, X, names, meta): return {'X': X.tolist(), 'names': names, 'meta': meta}\n",
        ({**NDARRAY, "meta": META}, TENSOR),
        encodings=(Encoding.JSON,),  # over protobuf a number in the tags has no type but float
    ),
    Case(
        "tags and metrics",
        """
class Model:
    def predict(self, X, names): return X
    def tags(self): return {"from": "tags", "own": 1, "list": [1, "x"], "none": None}
    def metrics(self): return [{"type": "COUNTER", "key": "n", "value": 1},
                               {"type": "TIMER", "key": "t", "value": 2.5, "tags": {"a": "b"}}]
""",
        (NDARRAY, {**NDARRAY, "meta": META}),
    ),
    Case(
        "a response of its own",
        """
from seldon_core.user_model import SeldonResponse
class Model:
    def predict(self, X, names):
        metric = {"type": "TIMER", "key": "own", "value": 2}
        return SeldonResponse(data=X, tags={"from": "response"}, metrics=[metric])
    def tags(self): return {"from": "tags"}
""",
    ),
    Case(
        "a bad metric", "class Model:\n    def predict(self, X, names): return X\n    def metrics(self): return [1]\n"
    ),
    Case(
        "names",
        "class Model:\n    class_names = ['yes', 'no']\n    def predict(self, X, names): return X\n",
        (NDARRAY, TENSOR),
    ),
    Case(
        "transform the input",
        "class Model:\n    def transform_input(self, X, names): return X + 1\n",
        graph=TRANSFORMER,
    ),
    Case(
        "transform the output",
        "class Model:\n    def transform_output(self, X, names): return X + 1\n",
        graph="{name: m, type: OUTPUT_TRANSFORMER, code: Model}",
    ),
    Case("transform nothing", "class Model: pass\n", KINDS, graph=TRANSFORMER),
    Case(
        "route",
        """
class Model:
    def route(self, X, names): return int(X[0][0])
    def send_feedback(self, X, names, reward, truth, routing): return [[reward, -1 if routing is None else routing]]
""",
        tuple({"data": {"ndarray": [[branch, 0]]}} for branch in (0, 1, -1, -2, 2)),
        graph=ROUTER,
        feedback=(
            {"request": NDARRAY, "response": {"meta": {"routing": {"m": 1}}}, "reward": 0.5},
            {"request": NDARRAY, "response": {}, "reward": 1},
        ),
    ),
    Case(
        "a route that is none",
        "class Model:\n    def route(self, X, names): return [None, '0', 0.5][int(X[0][0])]\n",
        tuple({"data": {"ndarray": [[index, 0]]}} for index in (0, 1, 2)),
        graph=ROUTER,
        own_rule=dict.fromkeys(REMOTE, WRAPPER),
    ),
    Case(
        "combine",
        """
class Model:
    def aggregate(self, Xs, names): return sum(Xs)
class Left:
    def predict(self, X, names): return X
    def tags(self): return {"last": "left", "left": True}
    def metrics(self): return [{"type": "COUNTER", "key": "left", "value": 1}]
class Right:
    def predict(self, X, names): return X * 10
    def tags(self): return {"last": "right"}
""",
        (NDARRAY, TENSOR),
        graph=COMBINER,
    ),
    Case(
        "raw",
        "class Model:\n    def predict_raw(self, msg): return msg\n",
        tuple({**each, "meta": META} for each in KINDS),
    ),
    Case(
        "raw sees the form of the request",
        """
class Model:
    def predict_raw(self, msg): return {"strData": type(msg).__name__}
""",
        encodings=(Encoding.JSON,),
        own_rule={"remote gRPC": AS_THE_CALL_CAME},
    ),
    Case(
        "raw protobuf",
        """
from seldon_core.proto import prediction_pb2
class Model:
    def predict_raw(self, msg):
        return prediction_pb2.SeldonMessage(strData=f"{len(msg.data.tensor.values)} values")
""",
        (TENSOR,),
        encodings=(Encoding.PROTO,),
        own_rule={"remote REST": AS_THE_CALL_CAME},
    ),
    Case(
        "raw gives way",
        """
from seldon_core.user_model import SeldonNotImplementedError
class Model:
    def predict_raw(self, msg): raise SeldonNotImplementedError("no")
    def predict(self, X, names): return X + 1
""",
    ),
    Case(
        "raw route and combination",
        """
class Model:
    def route_raw(self, msg): return {"data": {"ndarray": [[1]]}}
    def aggregate_raw(self, msgs): return {"strData": str(len(msgs["seldonMessages"]))}
""",
        graph=ROUTER.replace("type: ROUTER", "type: ROUTER, methods: [AGGREGATE]"),
        encodings=(Encoding.JSON,),
        own_rule={"remote gRPC": AS_THE_CALL_CAME},
    ),
    Case(
        "raw refuses with a reply",
        "class Model:\n    def predict_raw(self, msg): return {'status': {'code': 418, 'info': 'teapot'}}\n",
        encodings=(Encoding.JSON,),
        own_rule={"remote gRPC": "only over REST is the code in a reply's status that of the reply"},
    ),
    Case("it raises", "class Model:\n    def predict(self, X, names): raise ValueError('bad luck ä')\n"),
    Case("it leaves", "class Model:\n    def predict(self, X, names): raise SystemExit(3)\n", (NDARRAY, TENSOR)),
    Case(
        "it stops",
        "class Model:\n    def predict(self, X, names): return next(iter([]))\n",
        own_rule={"remote REST": "the wrapper gives an exception's words without its type, and this one has none"},
    ),
    Case(
        "it refuses",
        """
from seldon_core.flask_utils import SeldonMicroserviceException
class Model:
    def predict(self, X, names): raise SeldonMicroserviceException("too hot", status_code=418, reason="TEAPOT")
""",
    ),
    Case(
        "no payload",
        "class Model:\n    def predict(self, X, names): return X\n",
        ({"meta": {}},),
        own_rule={"remote REST": "the wrapper says it in words of its own"},
    ),
    Case(
        "a wrong shape",
        "class Model:\n    def predict(self, X, names): return X\n",
        ({"data": {"tensor": {"shape": [3], "values": [1]}}},),
    ),
    Case(
        "feedback",
        """
class Model:
    def predict(self, X, names): return X
    def send_feedback(self, X, names, reward, truth, routing): return [[X.tolist(), names, reward, truth.tolist()]]
""",
        (),
        feedback=(
            {"request": NDARRAY, "response": NDARRAY, "reward": 0.5, "truth": NDARRAY},
            {"request": {"strData": "x"}, "reward": 1},
            {"reward": 2},
        ),
    ),
    Case(
        "feedback that nobody hears",
        "class Model:\n    def predict(self, X, names): return X\n",
        (),
        feedback=({"request": NDARRAY}, {"request": TENSOR}),
    ),
    Case(
        "feedback that fails",
        """
class Model:
    def predict(self, X, names): return X
    def send_feedback(self, *_, **__): raise ValueError("no")
""",
        (),
        feedback=({"request": NDARRAY},),
    ),
    Case(
        "raw feedback",
        """
from seldon_core.proto import prediction_pb2
class Model:
    def predict(self, X, names): return X
    def send_feedback_raw(self, feedback):
        assert isinstance(feedback, prediction_pb2.Feedback)
        return prediction_pb2.SeldonMessage(strData=str(feedback.reward))
""",
        (),
        feedback=({"request": NDARRAY, "reward": 0.5},),
    ),
    Case("healthy", "class Model:\n    def predict(self, X, names): return X\n", (), about=True),
    Case(
        "health and metadata of its own",
        """
class Model:
    def predict(self, X, names): return X
    def health_status(self): return [0.5]
    def init_metadata(self): return {"name": "iris", "versions": ["v1"], "platform": "xgboost",
        "inputs": [{"messagetype": "tensor", "schema": {"names": ["a"], "shape": [1]}}], "custom": {"a": "b"}}
""",
        (),
        about=True,
    ),
    Case(
        "ill",
        "class Model:\n    def predict(self, X, names): return X\n    def health_status(self): raise OSError('ill')\n",
        (),
        about=True,
    ),
    Case(
        "parameters",
        """
class Model:
    def __init__(self, **parameters): self.parameters = parameters
    def predict(self, X, names): return repr(sorted(self.parameters.items()))
""",
        graph="""
        {name: m, type: MODEL, code: Model, parameters: [
          {name: b, type: BOOL, value: 'yes'}, {name: d, type: DOUBLE, value: '1e3'},
          {name: f, type: FLOAT, value: '0.5'}, {name: i, type: INT, value: '-3'},
          {name: s, type: STRING, value: '7'}]}
        """,
    ),
)
