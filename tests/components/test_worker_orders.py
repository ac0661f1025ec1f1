from __future__ import annotations

from pathlib import Path

import pytest

from gaal.components.model_uri import ModelStore
from gaal.components.worker import environment_of
from gaal.components.worker_orders import Orders
from gaal.graph.deployment import Calls, Method, Parameter, PredictiveUnit, UnitType

CHILD = PredictiveUnit("child", UnitType.UNKNOWN_TYPE, "UNKNOWN_IMPLEMENTATION", frozenset())
UNIT = PredictiveUnit(
    name="ä unit",
    type=UnitType.ROUTER,
    implementation="UNKNOWN_IMPLEMENTATION",
    methods=frozenset({Method.AGGREGATE, Method.SEND_FEEDBACK}),
    children=(CHILD,),
    parameters=(Parameter("n", "1", "INT"), Parameter("s", "two\nlines", "STRING")),
    component="pkg.mod:Class",
    image="registry/image:1",
    model_uri="s3://bucket/model",
    env_secret="secret",
    calls=Calls(64, 2, 100),
    extra="acme[torch]",
)


@pytest.mark.parametrize("hang_timeout_s", [None, 0.5])
def test_orders_arrive_as_they_were_given_on_one_line(hang_timeout_s: float | None) -> None:
    models = ModelStore(Path("/cache"), {"claim": Path("/mnt")}, allows_pickle=False)
    orders = Orders(UNIT, Path("/app"), Path("/tmp/socket"), 17, 20, hang_timeout_s, models)
    assert b"\n" not in orders.encode()
    assert Orders.decode(orders.encode()) == orders


def test_the_variables_of_the_container_win_and_gaal_is_still_found() -> None:
    unit = PredictiveUnit(
        *("m", UnitType.MODEL, "UNKNOWN_IMPLEMENTATION", frozenset()),
        env={"A": "container", "PYTHONPATH": "/app", "PREDICTOR_ID": "container"},
        identity={"PREDICTOR_ID": "document", "PREDICTIVE_UNIT_ID": "document"},
    )
    variables = environment_of(unit, {"A": "server", "PATH": "/bin", "PYTHONPATH": "/gaal"})
    assert variables == {
        "A": "container",
        "PATH": "/bin",
        "PYTHONPATH": "/app:/gaal",
        "PREDICTOR_ID": "container",
        "PREDICTIVE_UNIT_ID": "document",
    }
