from __future__ import annotations

import json
import signal
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from iris_pipelines import VIRGINICA, free_port, process, saved_in, trained

from seldon import Extension, ExtensionWrapper, Recommender, RecommenderWrapper
from seldon.microservice import Microservices
from seldon.microservice.address import chosen_host, chosen_port
from seldon.microservice.app import MAX_BODY_BYTES
from seldon.microservice.memcached import Memcached
from seldon.microservice.model import ServedModel
from seldon.microservice.predict import prediction_app
from seldon.microservice.recommend import recommendation_app


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The Iris pipeline, served over REST by a process of its own."""
    port = free_port()
    arguments = ["--model_name", "model_xgb", "--pipeline", saved_in(tmp_path_factory.mktemp("iris"))]
    with process("-m", "seldon.microservice.serve_rest", *arguments, port=port) as running:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
        assert running.stderr is not None
        assert "5.3" not in running.stderr.read()


class Columns:
    """Answers with how many columns it got, and with what stands in the first."""

    def predict_proba(self, features: Any) -> Any:
        values = features.to_numpy() if hasattr(features, "to_numpy") else features
        return [[float(values.shape[1]), float(values[0, 0])]]


@pytest.fixture
def columns() -> FlaskClient:
    return prediction_app(ServedModel(Columns(), "columns")).test_client()


def answered(reply: Any) -> list[float]:
    return [each["prediction"] for each in reply.get_json()["predictions"]]


def test_an_object_of_features_is_answered_with_numbers(iris: httpx.Client) -> None:
    reply = iris.get("/predict", params={"client": "test", "json": json.dumps({"data": VIRGINICA})})

    assert reply.status_code == 200
    assert list(reply.json()) == ["meta", "predictions"]
    assert reply.json()["meta"] == {"modelName": "model_xgb"}
    assert [each["predictedClass"] for each in reply.json()["predictions"]] == [
        "Iris-setosa",
        "Iris-versicolor",
        "Iris-virginica",
    ]
    virginica = reply.json()["predictions"][2]
    assert list(virginica) == ["prediction", "predictedClass", "confidence"]
    assert virginica["prediction"] == virginica["confidence"] > 0.9


@pytest.mark.parametrize("form", [{"json": {"data": VIRGINICA}}, {"data": {"json": json.dumps({"data": VIRGINICA})}}])
def test_a_post_brings_its_json_as_a_field_or_as_the_body(iris: httpx.Client, form: dict[str, Any]) -> None:
    assert iris.post("/predict", **form).json()["predictions"][2]["prediction"] > 0.9


def test_many_callers_at_once_are_answered(iris: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: iris.post("/predict", json={"data": VIRGINICA}), range(40)))
    assert {reply.status_code for reply in replies} == {200}


def test_health_is_told(iris: httpx.Client) -> None:
    assert iris.get("/health/ping").text == "pong"


@pytest.mark.parametrize("data", [[7, 2.5], {"a": 7, "b": 2.5}])
def test_a_list_is_a_row_and_an_object_too(columns: FlaskClient, data: Any) -> None:
    assert answered(columns.post("/predict", json={"data": data})) == [2, 7]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "data: an object of features or a list of numbers is needed, got nothing"),
        ({"data": "/etc/passwd"}, "data: an object of features or a list of numbers is needed, got str"),
        ({"data": "s3://bucket/key"}, "data: an object of features or a list of numbers is needed, got str"),
        ({"data": [1, "2"]}, "got a list with something else in it"),
        ({"data": 7}, "got int"),
        ([1, 2], "the request must be a JSON object, got list"),
    ],
)
def test_a_request_that_is_none_is_refused_with_the_reason(columns: FlaskClient, body: Any, text: str) -> None:
    reply = columns.post("/predict", json=body)
    assert reply.status_code == 400
    assert text in reply.get_json()["error_msg"]
    assert (reply.get_json()["error_id"], reply.get_json()["http_response"]) == (38, 400)


@pytest.mark.parametrize("query", ["", "?json=", "?json={", "?json=NaN"])
def test_a_request_without_json_is_refused(columns: FlaskClient, query: str) -> None:
    reply = columns.get(f"/predict{query}")
    assert reply.status_code == 400
    assert reply.get_json()["error_id"] == 38


def test_paths_methods_and_sizes_have_their_own_status(columns: FlaskClient) -> None:
    assert columns.get("/nothing").get_json() == {"error_id": 13, "error_msg": "Not Found", "http_response": 404}
    assert columns.delete("/predict").status_code == 405
    too_long = {"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1), "CONTENT_TYPE": "application/json"}
    assert columns.post("/predict", environ_overrides=too_long).status_code == 413


def test_a_pipeline_that_fails_leaks_nothing(columns: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    reply = columns.post("/predict", json={"data": {"a": "hunter2"}})
    assert reply.status_code == 500
    assert reply.get_json() == {"error_id": 13, "error_msg": "The microservice failed", "http_response": 500}
    assert "could not convert" in caplog.text


def test_what_runs_a_microservice_says_where_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (chosen_host(), chosen_port()) == ("0.0.0.0", 5000)
    assert (chosen_host("localhost"), chosen_port(0)) == ("localhost", 0)
    monkeypatch.setenv("GAAL_MICROSERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("GAAL_MICROSERVICE_PORT", "7001")
    assert (chosen_host("0.0.0.0"), chosen_port(5000)) == ("127.0.0.1", 7001)


@pytest.mark.parametrize("text", ["x", "-1", "65536", "8 0", "٣"])
def test_a_port_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GAAL_MICROSERVICE_PORT", text)
    with pytest.raises(ValueError, match="GAAL_MICROSERVICE_PORT must be a port from 0 to 65535, got"):
        chosen_port()


SLOW = """
import time
from seldon.microservice.memcached import Memcached
from seldon.microservice.model import ServedModel
from seldon.microservice.predict import prediction_app
from seldon.microservice.recommend import recommendation_app

class Slow:
    def predict_proba(self, features):
        print("asked", flush=True)
        time.sleep(0.5)
        return [[1.0]]

prediction_app(ServedModel(Slow(), "slow")).run(host="0.0.0.0", port=1, debug=True)
"""


def test_a_request_under_way_is_answered_when_the_microservice_is_stopped() -> None:
    port = free_port()
    with process("-c", SLOW, port=port) as running, ThreadPoolExecutor(1) as thread:
        url = f"http://127.0.0.1:{port}/predict"
        reply = thread.submit(httpx.post, url, json={"data": [1]}, trust_env=False)
        assert running.stdout is not None
        assert running.stdout.readline() == "asked\n"
        running.send_signal(signal.SIGTERM)
        assert reply.result().json()["predictions"][0]["prediction"] == 1.0
        assert running.wait(20) == 0


class Heard(Recommender):
    """Recommends the items it may choose from, and keeps a note beside its pickle."""

    def __init__(self) -> None:
        self.heard: dict[str, Any] = {}
        self.note = ""

    def recommend(self, user: int, ids: Any, recent_interactions: Any, client: str | None, limit: int) -> Any:
        self.heard = {"user": user, "recent": recent_interactions, "client": client}
        return [(item, 1 / item) for item in sorted(ids) or [user]][:limit]

    def save(self, folder: str) -> None:
        (Path(folder) / "note").write_text("kept")

    def load(self, folder: str) -> Any:
        self.note = (Path(folder) / "note").read_text()
        return self


class LikeMemcached(socketserver.StreamRequestHandler):
    """Answers `get KEY` as memcached does. Knows one key."""

    def handle(self) -> None:
        for line in self.rfile:
            if line.split() == [b"get", b"candidates"]:
                self.wfile.write(b"VALUE candidates 0 9\r\n[1,2,3,4]\r\n")
            self.wfile.write(b"END\r\n")


@contextmanager
def memcached() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), LikeMemcached) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def recommendations(folder: Path) -> FlaskClient:
    RecommenderWrapper(work_folder=str(folder / "work")).save_recommender(Heard(), str(folder / "rec"))
    return Microservices().create_recommendation_microservice(str(folder / "rec")).test_client()


def test_a_recommender_comes_back_with_what_it_saved(tmp_path: Path) -> None:
    wrapper = RecommenderWrapper(work_folder=str(tmp_path / "work"))
    wrapper.save_recommender(Heard(), str(tmp_path / "there"))
    again: Any = wrapper.load_recommender(str(tmp_path / "there"))
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["note", "rec"]
    assert again.note == "kept"


def test_items_of_memcached_are_recommended_without_the_excluded_ones() -> None:
    with memcached() as server, closing(Memcached(f"{server}, {server}")) as candidates:
        client = recommendation_app(Heard(), candidates).test_client()
        query = "user_id=7&client=test&limit=2&exclusion_items=1,3&recent_interactions=8,9&data_key=candidates,nothing"
        reply = client.get(f"/recommend?{query}")
        assert reply.get_json() == {"recommended": [{"item": 2, "score": 0.5}, {"item": 4, "score": 0.25}]}
        refused = client.get("/recommend?user_id=7&limit=2&data_key=a%20b")
        assert (refused.status_code, refused.get_json()["error_id"]) == (400, 38)


def test_without_memcached_a_recommender_knows_its_own_items(tmp_path: Path) -> None:
    reply = recommendations(tmp_path).post("/recommend", data={"user_id": "5", "limit": "1", "data_key": "candidates"})
    assert reply.get_json() == {"recommended": [{"item": 5, "score": 0.2}]}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("limit=2", "user_id: an integer is needed, got nothing"),
        ("user_id=x&limit=2", "user_id: an integer is needed, got 'x'"),
        ("user_id=1&limit=2&exclusion_items=1,b", "exclusion_items: an integer is needed, got 'b'"),
    ],
)
def test_a_parameter_that_is_no_number_is_refused_by_name(tmp_path: Path, query: str, text: str) -> None:
    assert recommendations(tmp_path).get(f"/recommend?{query}").get_json()["error_msg"] == text


class Doubling(Extension):
    def predict(self, input: dict[str, Any] | None = None) -> dict[str, Any]:
        return {"twice": 2 * (input or {}).get("n", 0)}


def test_an_extension_answers_what_it_likes(tmp_path: Path) -> None:
    ExtensionWrapper(work_folder=str(tmp_path)).save_extension(Doubling(), str(tmp_path / "there"))
    client = Microservices().create_extension_microservice(str(tmp_path / "there")).test_client()
    assert client.get('/extension?json={"n":4}').get_json() == {"twice": 8}
    assert client.post("/extension", json={"n": 5}).get_json() == {"twice": 10}
    assert client.get("/extension").get_json() == {"twice": 0}
    assert (tmp_path / "there" / "ext").is_file()


def test_the_bases_do_nothing(tmp_path: Path) -> None:
    assert Recommender().recommend(1, [], [], None, 5) == []
    assert Extension().predict() == {}
    assert Recommender().load(str(tmp_path)).save(str(tmp_path)) is None
    assert Extension().load(str(tmp_path)).save(str(tmp_path)) is None


@pytest.mark.parametrize("kind", ["recommendation", "extension"])
def test_recommenders_and_extensions_have_scripts(tmp_path: Path, kind: str) -> None:
    """They unpickle what was saved, so a class must be one that the process can import."""
    port = free_port()
    if kind == "recommendation":
        RecommenderWrapper(str(tmp_path)).save_recommender(Recommender(), str(tmp_path / "there"))
        arguments = ["--memcache_servers", "127.0.0.1:1", "--memcache-pool-size", "3", "--recommender"]
        path, expected = "/recommend?user_id=1&limit=2", {"recommended": list[Any]()}
    else:
        ExtensionWrapper(str(tmp_path)).save_extension(Extension(), str(tmp_path / "there"))
        arguments, path, expected = ["--extension"], "/extension", {}
    with process("-m", f"seldon.microservice.serve_{kind}", *arguments, str(tmp_path / "there"), port=port):
        assert httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).json() == expected


def test_a_pipeline_in_memory_and_a_folder_answer_the_same(tmp_path: Path) -> None:
    served = Microservices().create_prediction_microservice(saved_in(tmp_path), "m").test_client()
    direct = prediction_app(ServedModel(trained(), "m")).test_client()
    assert answered(served.post("/predict", json={"data": VIRGINICA})) == answered(
        direct.post("/predict", json={"data": VIRGINICA})
    )
