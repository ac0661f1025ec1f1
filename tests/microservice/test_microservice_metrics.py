"""The metrics port: what a class reports, under the labels of the wrapper."""

from __future__ import annotations

import os
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gaal.observability.microservice import microservice_labels

from .conftest import Microservice, Start

ROW = '{"data":{"ndarray":[[1,2]]}}'
ENVIRONMENT = {
    "SELDON_DEPLOYMENT_ID": "dep",
    "PREDICTOR_ID": "main",
    "PREDICTOR_LABELS": '{"version":"v7"}',
    "PREDICTIVE_UNIT_ID": "unit",
    "PREDICTIVE_UNIT_IMAGE": "registry:5000/iris:0.1",
}


async def samples(served: Microservice, path: str = "/metrics") -> list[Any]:
    reply = await served.metrics.get(path)
    assert reply.status_code == 200
    return [sample for family in text_string_to_metric_families(reply.text) for sample in family.samples]


async def test_there_is_nothing_before_the_first_metric(start: Start) -> None:
    served = await start("Measured")
    reply = await served.metrics.get("/metrics")
    assert (reply.status_code, reply.text) == (200, "")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_a_metric_has_all_labels(start: Start) -> None:
    served = await start("Measured", environment=ENVIRONMENT)
    await served.post("/predict", ROW)
    [hits] = [each for each in await samples(served) if each.name == "hits_total"]
    assert hits.value == 1
    assert hits.labels == {
        "deployment_name": "dep",
        "predictor_name": "main",
        "predictor_version": "v7",
        "model_name": "unit",
        "model_image": "registry:5000/iris",
        "model_version": "0.1",
        "seldon_deployment_name": "dep",
        "image_name": "registry:5000/iris",
        "image_version": "0.1",
        "worker_id": str(os.getpid()),
        "method": "predict",
    }


async def test_what_the_environment_does_not_say_is_not_implemented(start: Start) -> None:
    served = await start("Measured")
    await served.post("/predict", ROW)
    [hits] = [each for each in await samples(served) if each.name == "hits_total"]
    assert {value for label, value in hits.labels.items() if label not in ("worker_id", "method")} == {
        "NOT_IMPLEMENTED"
    }


@pytest.mark.parametrize("labels", ["", "[]", "{", "{}"])
def test_labels_of_the_predictor_without_a_version_are_passed_over(labels: str) -> None:
    assert microservice_labels(None, None, labels, None, "iris", 1)["predictor_version"] == "NOT_IMPLEMENTED"


@pytest.mark.parametrize(
    ("path", "body", "method"),
    [
        ("/predict", ROW, "predict"),
        ("/transform-input", ROW, "inputtransform"),
        ("/transform-output", ROW, "outputtransform"),
        ("/route", ROW, "router"),
        ("/aggregate", f"[{ROW}]", "aggregate"),
        ("/send-feedback", f'{{"request":{ROW}}}', "feedback"),
    ],
)
async def test_each_operation_is_a_method(start: Start, path: str, body: str, method: str) -> None:
    served = await start("Measured")
    await served.post(path, body)
    found = await samples(served)
    assert {each.labels["method"] for each in found} == {method}
    [level] = [each for each in found if each.name == "level"]
    assert (level.value, level.labels["branch"]) == (100, "a")
    [seconds] = [each for each in found if each.name == "took_sum"]
    assert seconds.value == pytest.approx(0.0202)


async def test_health_checks_report_too(start: Start) -> None:
    served = await start("Measured")
    await served.rest.get("/health/status")
    assert {each.labels["method"] for each in await samples(served)} == {"health"}


async def test_tags_do_not_replace_labels(start: Start) -> None:
    code = """
class Model:
    def predict(self, X, names):
        return X
    def metrics(self):
        return [{"type": "COUNTER", "key": "hits", "value": 1, "tags": {"worker_id": "me", "own": 1}}]
"""
    served = await start(code=code)
    await served.post("/predict", ROW)
    [hits] = [each for each in await samples(served) if each.name == "hits_total"]
    assert (hits.labels["worker_id"], hits.labels["own"]) == (str(os.getpid()), "1")


async def test_rewards_are_counted(start: Start) -> None:
    served = await start("EchoAll")
    for reward in (2.5, 0.5, 0.0):
        await served.post("/send-feedback", f'{{"request":{ROW},"reward":{reward}}}')
    found = {each.name: each.value for each in await samples(served)}
    assert found == {"seldon_api_model_feedback_total": 2, "seldon_api_model_feedback_reward_total": 3.0}


async def test_rewards_are_not_counted_where_the_orchestrator_does_it(start: Start) -> None:
    served = await start("EchoAll", environment={"SELDON_EXECUTOR_ENABLED": "false"})
    await served.post("/send-feedback", f'{{"request":{ROW},"reward":1}}')
    assert await samples(served) == []


async def test_metrics_of_raw_replies_are_counted_though_they_are_not_shown(start: Start) -> None:
    served = await start("RawMetrics", environment={"INCLUDE_METRICS_IN_CLIENT_RESPONSE": "false"})
    reply = await served.post("/predict", ROW)
    assert reply.json()["meta"] == {}
    assert {each.name: each.value for each in await samples(served)} == {"rawhits_total": 3}


async def test_the_path_is_that_of_the_environment(start: Start) -> None:
    served = await start("Measured", environment={"PREDICTIVE_UNIT_METRICS_ENDPOINT": "/prometheus"})
    await served.post("/predict", ROW)
    assert await samples(served, "/prometheus")
    assert (await served.metrics.get("/metrics")).status_code == 404
