"""What a user's class gets, and what becomes of what it returns: the contract of the Python wrapper, row by row."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from running import Run, ask, predict, rows, tell

from gaal.errors import ComponentAnswered, ComponentError, ComponentLoadError, ComponentRejected, MessageError
from gaal.executor.context import Context
from gaal.messages import Encoding
from gaal.protocols import seldon_json

MODEL = "{name: m, type: MODEL, code: Model}"

TENSOR = {"data": {"names": ["a", "b"], "tensor": {"shape": [1, 2], "values": [1, 2]}}}
NDARRAY = {"data": {"names": ["a", "b"], "ndarray": [[1, 2]]}}
TFTENSOR = {"data": {"tftensor": {"dtype": "DT_DOUBLE", "tensorShape": {"dim": [{"size": "2"}]}, "doubleVal": [1, 2]}}}
TEXT = {"strData": "abc"}
BYTES = {"binData": "AAE="}
JSON = {"jsonData": {"k": [1]}}


def returning(expression: str) -> str:
    return f"import numpy as np\nclass Model:\n    def predict(self, X, names, meta=None): return {expression}\n"


async def payload(run: Run, expression: str, request: Any) -> Any:
    reply = await ask(await run(MODEL, returning(expression)), request)
    del reply["meta"]
    return reply


@pytest.mark.parametrize(
    ("request_", "expression", "reply"),
    [
        (NDARRAY, "X", {"data": {"names": ["t:0", "t:1"], "ndarray": [[1, 2]]}}),
        (TENSOR, "X", {"data": {"names": ["t:0", "t:1"], "tensor": {"shape": [1, 2], "values": [1, 2]}}}),
        (rows([1, "a"]), "X", {"data": {"names": ["t:0", "t:1"], "ndarray": [["1", "a"]]}}),  # type: ignore[list-item]
        (
            TENSOR,
            "[[1.5, 2.5]]",
            {"data": {"names": ["t:0", "t:1"], "tensor": {"shape": [1, 2], "values": [1.5, 2.5]}}},
        ),
        (TENSOR, "['hello', 'world']", {"data": {"names": [], "ndarray": ["hello", "world"]}}),
        (NDARRAY, "['hello', 'world']", {"data": {"names": [], "ndarray": ["hello", "world"]}}),
        (NDARRAY, "np.array([True, False])", {"data": {"names": [], "ndarray": [True, False]}}),
        (NDARRAY, "{'k': 1}", {"jsonData": {"k": 1}}),
        (NDARRAY, "'text'", {"strData": "text"}),
        (NDARRAY, "b'\\0\\1'", {"binData": "AAE="}),
        (NDARRAY, "bytearray(b'\\0\\1')", {"binData": "AAE="}),
        (TEXT, "X", {"strData": "abc"}),
        (TEXT, "[1, 2]", {"data": {"names": [], "tensor": {"shape": [2], "values": [1, 2]}}}),
        (BYTES, "X", {"binData": "AAE="}),
        (JSON, "X", {"jsonData": {"k": [1]}}),
        ({"jsonData": [1, 2]}, "X", {"data": {"names": [], "tensor": {"shape": [2], "values": [1, 2]}}}),
        ({"jsonData": "text"}, "X", {"strData": "text"}),
    ],
)
async def test_the_reply_has_the_form_of_what_was_returned_and_of_what_was_asked(
    run: Run, request_: Any, expression: str, reply: Any
) -> None:
    assert await payload(run, expression, request_) == reply


async def test_numbers_asked_for_as_a_tftensor_come_back_as_one(run: Run) -> None:
    reply = await predict(await run(MODEL, returning("X * 2")), TFTENSOR)
    assert reply.payload is not None
    assert reply.payload.kind.value == "tftensor"
    np.testing.assert_array_equal(reply.payload.array, [2.0, 4.0])


@pytest.mark.parametrize("request_", [NDARRAY, TENSOR, TFTENSOR, TEXT, BYTES, JSON], ids=lambda each: next(iter(each)))
async def test_a_request_in_protobuf_gets_the_same_payload(run: Run, request_: Any) -> None:
    running = await run(MODEL, returning("X"))
    over_json = await predict(running, request_, Encoding.JSON)
    over_proto = await predict(running, request_, Encoding.PROTO)
    assert over_json.payload is not None
    assert over_proto.payload is not None
    assert over_json.payload.kind is over_proto.payload.kind
    if over_json.payload.kind.is_data:
        np.testing.assert_array_equal(over_json.payload.array, over_proto.payload.array)
    else:
        assert over_json.payload.value == over_proto.payload.value


async def test_a_custom_message_arrives_as_an_any_and_may_be_returned_as_one(run: Run) -> None:
    request = {"customData": {"@type": "type.googleapis.com/seldon.protos.Status", "code": 7}}
    reply = await ask(await run(MODEL, returning("X")), request, Encoding.PROTO)
    assert reply["customData"]["code"] == 7


@pytest.mark.parametrize("returned", ["None", "1", "1.5", "(1, 2)", "object", "np.float64(1)", "lambda: 0"])
async def test_what_is_no_payload_is_an_error_that_names_the_unit(run: Run, returned: str) -> None:
    running = await run(MODEL, returning(returned))
    with pytest.raises(ComponentError, match=r'unit "m": predict: NoPayload: Unknown data type returned as payload'):
        await predict(running, NDARRAY)


async def test_a_method_gets_features_names_and_meta(run: Run) -> None:
    code = """
seen = []
class Model:
    def predict(self, X, names, meta=None):
        seen.append((X.tolist(), names, meta))
        return X
"""
    running = await run(MODEL, code)
    await predict(running, {**NDARRAY, "meta": {"puid": "p", "tags": {"t": 1}}})
    await predict(running, NDARRAY)
    assert sys.modules["unit_code"].seen == [
        ([[1, 2]], ["a", "b"], {"puid": "p", "tags": {"t": 1}}),
        ([[1, 2]], ["a", "b"], {}),
    ]


async def test_a_method_without_meta_is_not_given_any(run: Run) -> None:
    code = "class Model:\n    def predict(self, X, feature_names): return X\n"
    assert (await ask(await run(MODEL, code), NDARRAY))["data"]["ndarray"] == [[1, 2]]


async def test_a_type_error_of_the_users_own_is_not_tried_again(run: Run) -> None:
    code = """
calls = []
class Model:
    def predict(self, X, names, meta=None):
        calls.append(1)
        raise TypeError("my own")
"""
    with pytest.raises(ComponentError, match="TypeError: my own"):
        await predict(await run(MODEL, code), NDARRAY)
    assert len(sys.modules["unit_code"].calls) == 1


async def test_a_request_without_a_payload_is_the_callers_error(run: Run) -> None:
    with pytest.raises(MessageError, match="must have one of data, jsonData, strData, binData or customData"):
        await predict(await run(MODEL, returning("X")), {"meta": {}})


class TestMeta:
    CODE = """
class Model:
    def predict(self, X, names): return X
    def tags(self): return {"from": "tags", "own": 1}
    def metrics(self): return [{"type": "COUNTER", "key": "n", "value": 1}]
"""

    async def test_tags_of_the_request_stay_unless_the_unit_says_otherwise(self, run: Run) -> None:
        reply = await ask(await run(MODEL, self.CODE), {**NDARRAY, "meta": {"tags": {"from": "request", "old": 2}}})
        assert reply["meta"]["tags"] == {"from": "tags", "own": 1, "old": 2}

    async def test_metrics_add_up_along_the_chain(self, run: Run) -> None:
        graph = "{name: t, type: TRANSFORMER, code: Model, children: [{name: m, type: MODEL, code: Model}]}"
        old = {"key": "old", "type": "GAUGE", "value": 7}
        reply = await ask(await run(graph, self.CODE), {**NDARRAY, "meta": {"metrics": [old]}})
        assert [metric["key"] for metric in reply["meta"]["metrics"]] == ["old", "n", "n"]

    async def test_a_metric_with_tags_also_gets_the_method(self, run: Run) -> None:
        code = """
class Model:
    def predict(self, X, names): return X
    def metrics(self): return [{"type": "GAUGE", "key": "g", "value": 1, "tags": {"a": "b"}}]
"""
        reply = await ask(await run(MODEL, code), NDARRAY)
        assert reply["meta"]["metrics"][0]["tags"] == {"a": "b", "method": "predict"}

    @pytest.mark.parametrize(
        "metric",
        ['{"key": "k"}', '{"type": "SUM", "key": "k", "value": 1}', '{"type": [], "key": "k", "value": 1}', "1"],
    )
    async def test_a_bad_metric_is_an_error_with_the_metric_in_it(self, run: Run, metric: str) -> None:
        code = f"class Model:\n    def predict(self, X, names): return X\n    def metrics(self): return [{metric}]\n"
        with pytest.raises(ComponentError, match="Bad metric created during request: ") as caught:
            await predict(await run(MODEL, code), NDARRAY)
        assert caught.value.reason == "MICROSERVICE_BAD_METRIC"

    async def test_the_request_path_names_units_and_their_images(self, run: Run) -> None:
        reply = await ask(await run(MODEL, self.CODE), {**NDARRAY, "meta": {"requestPath": {"before": "img:1"}}})
        assert reply["meta"]["requestPath"] == {"m": "unit_code:Model", "before": "img:1"}

    async def test_a_response_object_brings_tags_and_metrics_of_its_own(self, run: Run) -> None:
        code = """
from seldon_core.user_model import SeldonResponse
class Model:
    def predict(self, X, names):
        metric = {"type": "TIMER", "key": "own", "value": 2}
        return SeldonResponse(data=X, tags={"from": "response"}, metrics=[metric])
    def tags(self): return {"from": "tags"}
    def metrics(self): return [{"type": "COUNTER", "key": "n", "value": 1}]
"""
        meta = (await ask(await run(MODEL, code), NDARRAY))["meta"]
        assert meta["tags"] == {"from": "response"}
        assert [metric["key"] for metric in meta["metrics"]] == ["n", "own"]

    async def test_a_combiner_merges_tags_paths_and_metrics_in_order(self, run: Run) -> None:
        code = """
class Model:
    def __init__(self, n): self.n = n
    def predict(self, X, names): return X
    def tags(self): return {"last": self.n, f"of-{self.n}": True}
    def metrics(self): return [{"type": "COUNTER", "key": f"k{self.n}", "value": 1}]
class Sum:
    def aggregate(self, Xs, names): return sum(Xs)
"""
        graph = """
        {name: sum, type: COMBINER, code: Sum, children: [
          {name: a, code: Model, parameters: [{name: n, type: INT, value: '1'}]},
          {name: b, code: Model, parameters: [{name: n, type: INT, value: '2'}]}]}
        """
        meta = (await ask(await run(graph, code), NDARRAY))["meta"]
        assert meta["tags"] == {"last": 2, "of-1": True, "of-2": True}
        assert set(meta["requestPath"]) == {"sum", "a", "b"}
        assert [metric["key"] for metric in meta["metrics"]] == ["k1", "k2"]


class TestNames:
    @pytest.mark.parametrize(
        "names",
        ["def class_names(self): return ['yes', 'no']", "class_names = ['yes', 'no']"],
        ids=["method", "attribute"],
    )
    async def test_class_names_name_the_columns(self, run: Run, names: str) -> None:
        code = f"class Model:\n    def predict(self, X, names): return X\n    {names}\n"
        assert (await ask(await run(MODEL, code), NDARRAY))["data"]["names"] == ["yes", "no"]

    async def test_a_reply_of_one_dimension_has_no_names(self, run: Run) -> None:
        assert (await ask(await run(MODEL, returning("X[0]")), NDARRAY))["data"]["names"] == []


class TestRouting:
    ROUTER = "{name: r, type: ROUTER, code: Model, children: [{name: s, implementation: SIMPLE_MODEL}]}"

    @pytest.mark.parametrize("returned", ["np.int64(0)", "0.0", "'0'", "[[0]]", "None"])
    async def test_a_route_must_be_an_int(self, run: Run, returned: str) -> None:
        code = f"import numpy as np\nclass Model:\n    def route(self, X, names): return {returned}\n"
        with pytest.raises(ComponentError, match='unit "r": route: TypeError: Routing response must be int but got'):
            await predict(await run(self.ROUTER, code), NDARRAY)

    @pytest.mark.parametrize("reply", ["[[0]]", "[0]", "[0.9, 5]"])
    async def test_a_raw_route_is_the_first_number_of_its_reply(self, run: Run, reply: str) -> None:
        code = f"class Model:\n    def route_raw(self, msg): return {{'data': {{'ndarray': {reply}}}}}\n"
        assert (await ask(await run(self.ROUTER, code), NDARRAY))["meta"]["routing"]["r"] == 0

    @pytest.mark.parametrize("reply", ["[]", "[[]]", "['x']", "[None]"])
    async def test_a_raw_route_without_a_number_is_an_error(self, run: Run, reply: str) -> None:
        code = f"class Model:\n    def route_raw(self, msg): return {{'data': {{'ndarray': {reply}}}}}\n"
        with pytest.raises(ComponentError, match='unit "r": route: ValueError: the reply must hold a number'):
            await predict(await run(self.ROUTER, code), NDARRAY)


class TestRaw:
    ECHO = "class Model:\n    def predict_raw(self, msg): return msg\n"

    async def test_from_json_it_is_a_dict(self, run: Run) -> None:
        code = (
            "seen = []\nclass Model:\n    def predict_raw(self, msg):\n        seen.append(msg)\n        return msg\n"
        )
        request = {**NDARRAY, "meta": {"tags": {"a": 1}}}
        reply = await ask(await run(MODEL, code), request)
        assert sys.modules["unit_code"].seen == [{**request}]
        assert reply["meta"]["tags"] == {"a": 1}

    async def test_from_protobuf_it_is_a_seldon_message(self, run: Run) -> None:
        code = """
from seldon_core.proto import prediction_pb2
class Model:
    def predict_raw(self, msg):
        return prediction_pb2.SeldonMessage(strData=f"{len(msg.data.tensor.values)} values")
"""
        assert (await ask(await run(MODEL, code), TENSOR, Encoding.PROTO))["strData"] == "2 values"

    async def test_one_that_says_it_is_not_implemented_gives_way_to_the_plain_method(self, run: Run) -> None:
        code = """
from seldon_core.user_model import SeldonNotImplementedError
class Model:
    def predict_raw(self, msg): raise SeldonNotImplementedError("no")
    def predict(self, X, names): return X + 1
"""
        assert (await ask(await run(MODEL, code), NDARRAY))["data"]["ndarray"] == [[2, 3]]

    @pytest.mark.parametrize("returned", ["None", "[1]", "'text'"])
    async def test_a_reply_that_is_no_message_is_an_error(self, run: Run, returned: str) -> None:
        code = f"class Model:\n    def predict_raw(self, msg): return {returned}\n"
        with pytest.raises(ComponentError, match="a raw method must return a dict or a SeldonMessage"):
            await predict(await run(MODEL, code), NDARRAY)

    async def test_a_reply_with_an_http_status_of_its_own_ends_the_graph(self, run: Run) -> None:
        code = "class Model:\n    def predict_raw(self, msg): return {'status': {'code': 418, 'info': 'teapot'}}\n"
        with pytest.raises(ComponentAnswered) as caught:
            await predict(await run(MODEL, code), NDARRAY)
        assert caught.value.http_status == 418
        assert caught.value.reply.status is not None
        assert caught.value.reply.status.info == "teapot"

    async def test_a_combiners_raw_method_gets_the_list(self, run: Run) -> None:
        code = """
class Model:
    def aggregate_raw(self, msgs): return {"strData": str(len(msgs["seldonMessages"]))}
"""
        graph = "{name: c, type: COMBINER, code: Model, children: [{name: s, implementation: SIMPLE_MODEL}]}"
        assert (await ask(await run(graph, code), NDARRAY))["strData"] == "1"

    async def test_raw_feedback_is_always_protobuf(self, run: Run) -> None:
        code = """
from seldon_core.proto import prediction_pb2
class Model:
    def predict(self, X, names): return X
    def send_feedback_raw(self, feedback):
        assert isinstance(feedback, prediction_pb2.Feedback)
        return prediction_pb2.SeldonMessage(strData=str(feedback.reward))
"""
        reply = await tell(await run(MODEL, code), {"request": NDARRAY, "reward": 0.5})
        assert reply is not None
        assert reply["strData"] == "0.5"


class TestErrors:
    async def test_an_exception_becomes_an_error_with_the_units_name_and_its_words(
        self, run: Run, caplog: pytest.LogCaptureFixture
    ) -> None:
        code = "class Model:\n    def predict(self, X, names): raise ValueError('bad luck')\n"
        with pytest.raises(ComponentError) as caught:
            await predict(await run(MODEL, code), NDARRAY)
        assert str(caught.value) == 'unit "m": predict: ValueError: bad luck'
        assert caught.value.reason == "MICROSERVICE_INTERNAL_ERROR"
        assert "Traceback" in caplog.text

    async def test_a_microservice_exception_keeps_its_status_and_reason(self, run: Run) -> None:
        code = """
from seldon_core.flask_utils import SeldonMicroserviceException
class Model:
    def predict(self, X, names): raise SeldonMicroserviceException("too hot", status_code=418, reason="TEAPOT")
"""
        with pytest.raises(ComponentRejected, match="too hot") as caught:
            await predict(await run(MODEL, code), NDARRAY)
        assert (caught.value.http_status, caught.value.reason) == (418, "TEAPOT")

    async def test_code_that_wants_to_end_the_process_ends_only_its_request(self, run: Run) -> None:
        code = "class Model:\n    def predict(self, X, names): raise SystemExit(3)\n"
        running = await run(MODEL, code)
        for _ in range(2):
            with pytest.raises(ComponentError, match="SystemExit: 3"):
                await predict(running, NDARRAY)

    async def test_stop_iteration_is_an_error_like_any_other(self, run: Run) -> None:
        code = "class Model:\n    def predict(self, X, names): return next(iter([]))\n"
        with pytest.raises(ComponentError, match="StopIteration"):
            await predict(await run(MODEL, code), NDARRAY)


class TestLoad:
    @pytest.mark.parametrize(
        ("code", "says"),
        [
            ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
            ("class Modell: pass", "has no Model; did you mean Modell"),
            ("Model = 3", "Model is a int, not a class"),
            ("class Model:\n    def __init__(self): raise OSError('no file')", "OSError: no file"),
            ("class Model:\n    def load(self): raise OSError('no file')", "OSError: no file"),
            ("class Model:\n    def load(self): self.nothing()", "AttributeError: 'Model' object has no attribute"),
            ("class Model: pass", "a MODEL needs a method predict, or predict_raw"),
            ("raise SystemExit(4)", "SystemExit: 4"),
            ("def", "SyntaxError"),
        ],
    )
    async def test_a_component_that_cannot_be_loaded_names_unit_class_and_cause(
        self, run: Run, code: str, says: str
    ) -> None:
        with pytest.raises(ComponentLoadError) as caught:
            await run(MODEL, code)
        assert str(caught.value).startswith('unit "m": unit_code:Model: ')
        assert says in str(caught.value)

    async def test_a_base_class_method_is_not_an_implementation(self, run: Run) -> None:
        code = "from seldon_core.user_model import SeldonComponent\nclass Model(SeldonComponent): pass\n"
        with pytest.raises(ComponentLoadError, match="needs a method predict"):
            await run(MODEL, code)

    @pytest.mark.parametrize(("unit_type", "method"), [("ROUTER", "route"), ("COMBINER", "aggregate")])
    async def test_a_unit_needs_the_method_that_the_graph_calls(self, run: Run, unit_type: str, method: str) -> None:
        graph = f"{{name: m, type: {unit_type}, code: Model, children: [{{name: s, implementation: SIMPLE_MODEL}}]}}"
        with pytest.raises(ComponentLoadError, match=f"a {unit_type} needs a method {method}"):
            await run(graph, "class Model: pass")

    async def test_a_transformer_without_the_method_lets_the_message_pass(self, run: Run) -> None:
        graph = "{name: t, type: TRANSFORMER, code: Model}"
        assert (await ask(await run(graph, "class Model: pass"), NDARRAY))["data"]["ndarray"] == [[1, 2]]

    async def test_parameters_arrive_as_typed_keyword_arguments(self, run: Run) -> None:
        code = """
class Model:
    def __init__(self, **parameters): self.parameters = parameters
    def predict(self, X, names): return repr(sorted(self.parameters.items()))
"""
        graph = """
        {name: m, type: MODEL, code: Model, parameters: [
          {name: b, type: BOOL, value: 'yes'}, {name: d, type: DOUBLE, value: '1e3'},
          {name: f, type: FLOAT, value: '0.5'}, {name: i, type: INT, value: '-3'},
          {name: s, type: STRING, value: '7'}]}
        """
        reply = await ask(await run(graph, code), NDARRAY)
        assert reply["strData"] == "[('b', True), ('d', 1000.0), ('f', 0.5), ('i', -3), ('s', '7')]"


class TestPlacement:
    WHERE = """
import threading
seen = []
def here(): seen.append(threading.current_thread().name)
class Model:
    def __init__(self): here()
    def load(self): here()
    def predict(self, X, names):
        here()
        return X
    def tags(self):
        here()
        return {}
"""

    async def test_sync_code_lives_on_one_thread_of_the_units_own(self, run: Run) -> None:
        running = await run(MODEL, self.WHERE)
        await predict(running, NDARRAY)
        assert set(sys.modules["unit_code"].seen) == {"gaal-unit-m"}
        assert len(sys.modules["unit_code"].seen) == 4

    async def test_inline_code_lives_on_the_loop(self, run: Run) -> None:
        await predict(await run(MODEL, self.WHERE, placement="inline"), NDARRAY)
        assert set(sys.modules["unit_code"].seen) == {"MainThread"}

    async def test_async_code_lives_on_the_loop(self, run: Run) -> None:
        code = self.WHERE.replace("def predict", "async def predict").replace("def load", "async def load")
        assert (await ask(await run(MODEL, code), NDARRAY))["data"]["ndarray"] == [[1, 2]]
        assert set(sys.modules["unit_code"].seen) == {"MainThread"}

    async def test_an_async_load_is_awaited_where_the_rest_is_sync(self, run: Run) -> None:
        code = self.WHERE.replace("def load(self): here()", "async def load(self): self.loaded = True").replace(
            "return X", "return [[int(self.loaded)]]"
        )
        assert (await ask(await run(MODEL, code), NDARRAY))["data"]["ndarray"] == [[1]]
        assert set(sys.modules["unit_code"].seen) == {"gaal-unit-m"}

    async def test_an_async_raw_method_lives_on_the_loop(self, run: Run) -> None:
        code = """
import threading
class Model:
    async def predict_raw(self, msg): return {"strData": threading.current_thread().name}
"""
        assert (await ask(await run(MODEL, code), NDARRAY))["strData"] == "MainThread"


class TestHealthAndMetadata:
    @pytest.mark.parametrize(
        ("body", "reply"),
        [
            ("", {"strData": "healthy"}),
            ("    def health_status(self): return 'fine'", {"strData": "fine"}),
            (
                "    def health_status(self): return [0.5]",
                {"data": {"names": [], "tensor": {"shape": [1], "values": [0.5]}}},
            ),
        ],
    )
    async def test_health_is_what_the_component_says(self, run: Run, body: str, reply: Any) -> None:
        running = await run(MODEL, f"class Model:\n    def predict(self, X, names): return X\n{body}\n")
        answer = seldon_json.object_of(await running.unit_health("m", Context("p")))
        assert answer == {**reply, "meta": {}}

    async def test_the_contracts_base_class_is_assumed_to_be_healthy(self, run: Run) -> None:
        code = (
            "from seldon_core.user_model import SeldonComponent\n"
            "class Model(SeldonComponent):\n    def predict(self, X, names): return X\n"
        )
        answer = await (await run(MODEL, code)).unit_health("m", Context("p"))
        assert answer.payload is not None
        assert answer.payload.value == "not implemented - assuming healthy"

    async def test_a_component_that_is_not_well_raises(self, run: Run) -> None:
        code = (
            "class Model:\n    def predict(self, X, names): return X\n"
            "    def health_status(self): raise OSError('ill')\n"
        )
        with pytest.raises(ComponentError, match="health_status: OSError: ill"):
            await (await run(MODEL, code)).unit_health("m", Context("p"))

    async def test_init_metadata_is_the_units_metadata(self, run: Run) -> None:
        code = """
class Model:
    def predict(self, X, names): return X
    def init_metadata(self): return {"name": "iris", "versions": ["v1"], "platform": "xgboost", "custom": {"a": "b"}}
"""
        metadata = await (await run(MODEL, code)).unit_metadata("m")
        assert (metadata.name, tuple(metadata.versions), metadata.platform) == ("iris", ("v1",), "xgboost")
        assert metadata.custom == {"a": "b"}
