from __future__ import annotations

import pytest

from gaal.errors import ComponentError, DeadlineExceeded
from gaal.executor.events import Listener
from gaal.graph.deployment import Deployment, PredictiveUnit, Predictor, UnitType
from gaal.messages import Metric
from gaal.observability.components import ComponentMetrics, legal_label, legal_name
from gaal.observability.labels import image_and_version
from gaal.observability.listener import ServerMetrics, UnitMetrics
from gaal.observability.prometheus import render
from gaal.observability.series import Series

UNIT = PredictiveUnit("model", UnitType.MODEL, "", frozenset(), image="org/model:0.1")
PREDICTOR = Predictor("main", UNIT, annotations={"version": "v1"})
DEPLOYMENT = Deployment("irisdep", "default", (PREDICTOR,))
PREDICTOR_TEXT = 'deployment_name="irisdep",predictor_name="main",predictor_version="v1"'
MODEL_TEXT = 'model_name="model",model_image="org/model",model_version="0.1"'


def code_of(error: BaseException) -> str:
    return "504" if isinstance(error, DeadlineExceeded) else "500"


def lines(series: Series) -> list[str]:
    return render(series).decode().splitlines()


def test_a_request_is_counted_under_its_service_method_and_code() -> None:
    series = Series()
    observers = ServerMetrics(series).observers("irisdep", "main", "v1")
    observers["predictions", "post", "200"](0.25)
    observers["/seldon.protos.Seldon/Predict", "unary", "OK"](0.5)
    name = "seldon_api_executor_server_requests_seconds_sum"
    assert f'{name}{{{PREDICTOR_TEXT},service="predictions",method="post",code="200"}} 0.25' in lines(series)
    grpc = 'service="/seldon.protos.Seldon/Predict",method="unary",code="OK"'
    assert f"{name}{{{PREDICTOR_TEXT},{grpc}}} 0.5" in lines(series)


def test_an_observer_is_made_once() -> None:
    observers = ServerMetrics(Series()).observers("irisdep", "main", "v1")
    assert observers["predictions", "post", "200"] is observers["predictions", "post", "200"]


def test_requests_in_flight_go_up_and_down() -> None:
    series = Series()
    in_flight = ServerMetrics(series).in_flight
    in_flight.add(1)
    in_flight.add(1)
    in_flight.add(-1)
    assert "gaal_requests_in_flight 1" in lines(series)


def test_a_call_to_a_unit_is_counted_as_the_rest_call_that_it_would_be() -> None:
    series = Series()
    metrics: Listener = UnitMetrics(series, code_of)
    observe = metrics.unit_calls(DEPLOYMENT, PREDICTOR, UNIT, "transform_input")
    observe(0.25, None)
    observe(0.5, ComponentError("model", "raised"))
    name = "seldon_api_executor_client_requests_seconds_sum"
    call = 'service="/transform-input",method="post"'
    assert f'{name}{{{PREDICTOR_TEXT},{call},code="200",{MODEL_TEXT}}} 0.25' in lines(series)
    assert f'{name}{{{PREDICTOR_TEXT},{call},code="500",{MODEL_TEXT}}} 0.5' in lines(series)


def test_what_became_of_shadows_is_counted() -> None:
    series = Series()
    metrics = UnitMetrics(series, code_of)
    metrics.shadow_dropped(DEPLOYMENT, PREDICTOR)
    metrics.shadow_failed(DEPLOYMENT, PREDICTOR)
    metrics.shadow_failed(DEPLOYMENT, PREDICTOR)
    assert f"gaal_shadow_dropped_total{{{PREDICTOR_TEXT}}} 1" in lines(series)
    assert f"gaal_shadow_failed_total{{{PREDICTOR_TEXT}}} 2" in lines(series)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("org/model:0.1", ("org/model", "0.1")),
        ("org/model", ("", "")),
        ("host:5000/model:0.1", ("", "")),
        ("", ("", "")),
    ],
)
def test_an_image_has_a_version_if_it_has_exactly_one_colon(image: str, parts: tuple[str, str]) -> None:
    assert image_and_version(image) == parts


def test_what_a_component_reports_is_shown_with_its_tags() -> None:
    series = Series()
    record = ComponentMetrics(series).recorder(DEPLOYMENT, PREDICTOR, UNIT, "transform_input")
    for _ in range(2):
        record(
            [
                Metric("mycounter", "COUNTER", 2, {"colour": "red"}),
                Metric("mygauge", "GAUGE", 100),
                Metric("mytimer", "TIMER", 20.5),
            ]
        )
    labels = f'{PREDICTOR_TEXT},{MODEL_TEXT},method="inputtransform"'
    shown = lines(series)
    assert f'mycounter_total{{{labels},colour="red"}} 4' in shown
    assert f"mygauge{{{labels}}} 100" in shown
    assert f"mytimer_sum{{{labels}}} 0.041" in shown
    assert f"mytimer_count{{{labels}}} 2" in shown


def test_a_component_cannot_take_labels_or_names_that_are_gaals() -> None:
    series = Series()
    record = ComponentMetrics(series).recorder(DEPLOYMENT, PREDICTOR, UNIT, "predict")
    record([Metric("mine", "COUNTER", 1, {"model_name": "another", "le": "1"})])
    record([Metric("gaal_requests_in_flight", "GAUGE", 7), Metric("gaal_worker_restarts", "COUNTER", 7)])
    shown = lines(series)
    assert f'mine_total{{{PREDICTOR_TEXT},{MODEL_TEXT},method="predict"}} 1' in shown
    assert not any(line.endswith(" 7") for line in shown)
    assert "gaal_series_refused_total 2" in shown


def test_names_are_made_legal() -> None:
    assert legal_name("my-metric:a.b") == "my_metric:a_b"
    assert legal_name("5xx") == "_5xx"
    assert legal_label("a:b") == "a_b"
    assert legal_label("") == "_"


def test_a_value_that_is_no_number_is_not_counted() -> None:
    series = Series()
    record = ComponentMetrics(series).recorder(DEPLOYMENT, PREDICTOR, UNIT, "predict")
    record([Metric("mine", "COUNTER", float("nan")), Metric("mine", "COUNTER", 1)])
    assert f'mine_total{{{PREDICTOR_TEXT},{MODEL_TEXT},method="predict"}} 1' in lines(series)
