"""What components report with `metrics()` stands at `/metrics`, whatever thread their code runs on."""

from __future__ import annotations

import httpx
import pytest
from serving import ONE_MODEL, Serve

REPORTING = """
class Model:
    def predict(self, X, names): return X
    def metrics(self):
        return [
            {"type": "COUNTER", "key": "rows", "value": 2},
            {"type": "GAUGE", "key": "level", "value": 7, "tags": {"room": "a"}},
            {"type": "TIMER", "key": "work", "value": 20.5},
        ]
"""


@pytest.mark.parametrize("placement", ["thread", "inline"])
async def test_counters_gauges_and_timers_of_a_component_are_shown(serve: Serve, placement: str) -> None:
    document = ONE_MODEL.replace("annotations: {", f"annotations: {{gaal.dev/placement.model: {placement}, ")
    server = await serve(REPORTING, document=document)
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        for _ in range(2):
            reply = await client.post("/api/v1.0/predictions", json={"data": {"ndarray": [[1]]}})
            assert [metric["key"] for metric in reply.json()["meta"]["metrics"]] == ["rows", "level", "work"]
        lines = (await client.get("/metrics")).text.splitlines()
    values = {line.split("{")[0]: line for line in lines if 'method="predict"' in line and 'model_name="model"' in line}
    assert values["rows_total"].endswith(" 4")
    assert values["level"].endswith(" 7")
    assert 'room="a"' in values["level"]
    assert values["work_count"].endswith(" 2")
    assert values["work_sum"].endswith(" 0.041")
