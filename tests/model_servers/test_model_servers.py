"""Each server of model files: what it loads, what it answers, and what it refuses."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import (
    FEATURES,
    LABELS,
    NAMES,
    ROWS,
    document,
    dump,
    library,
    save_lightgbm,
    save_mlflow,
    save_onnx,
    save_onnx_of_two_inputs,
    save_xgboost,
    sklearn_model,
)
from running import Run, ask, predict, rows

from gaal.errors import ComponentLoadError, ComponentRejected
from gaal.executor.context import Context
from gaal.messages import Encoding, Kind, Message, Payload

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

Made = Callable[[Path], tuple[Any, Path]]


def sklearn_file(folder: Path) -> tuple[Any, Path]:
    model = sklearn_model()
    dump(model, folder / "model.joblib")
    return model.predict_proba(ROWS), folder


def xgboost_file(suffix: str) -> Made:
    def make(folder: Path) -> tuple[Any, Path]:
        booster = save_xgboost(folder / f"model.{suffix}")
        return booster.predict(library("xgboost").DMatrix(np.array(ROWS))), folder

    return make


def lightgbm_file(folder: Path) -> tuple[Any, Path]:
    return save_lightgbm(folder / "model.txt").predict(np.array(ROWS)), folder


def onnx_file(folder: Path) -> tuple[Any, Path]:
    return save_onnx(folder / "model.onnx").predict_proba(ROWS), folder


def mlflow_folder(folder: Path) -> tuple[Any, Path]:
    model = save_mlflow(folder / "model")
    return model.predict(library("pandas").DataFrame(ROWS, columns=NAMES)), folder / "model"


KINDS = {
    "SKLEARN_SERVER": sklearn_file,
    "XGBOOST_SERVER": xgboost_file("json"),
    "XGBOOST_SERVER ubj": xgboost_file("ubj"),
    "XGBOOST_SERVER bst": xgboost_file("bst"),
    "LIGHTGBM_SERVER": lightgbm_file,
    "ONNX_SERVER": onnx_file,
    "MLFLOW_SERVER": mlflow_folder,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_model_answers_what_its_library_answers(kind: str, run: Run, tmp_path: Path) -> None:
    expected, uri = KINDS[kind](tmp_path / "files")
    running = await run(document(kind.split()[0], uri))
    for encoding in Encoding:
        reply = await ask(running, rows(*ROWS), encoding)
        np.testing.assert_allclose(np.array(reply["data"]["ndarray"]), expected, rtol=1e-5)
    assert reply["meta"]["requestPath"] == {"m": kind.split()[0]}
    health = await running.predictors[0].unit_health("m", None)  # type: ignore[arg-type]
    assert health.payload is not None
    assert health.payload.value == "healthy"


@pytest.mark.parametrize("kind", ["SKLEARN_SERVER", "XGBOOST_SERVER", "LIGHTGBM_SERVER", "ONNX_SERVER"])
async def test_a_file_may_be_named_itself(kind: str, run: Run, tmp_path: Path) -> None:
    expected, folder = KINDS[kind](tmp_path / "files")
    [file] = folder.iterdir()
    running = await run(document(kind, f"file://{file.rename(folder / f'iris{file.suffix}')}"))
    reply = await ask(running, rows(*ROWS))
    np.testing.assert_allclose(np.array(reply["data"]["ndarray"]), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (rows([1.0, 2.0, 3.0]), r"4.*(got 3|got \[1, 3\])"),
        ({"data": {"ndarray": [1.0, 2.0, 3.0, 4.0]}}, r"got (1: shape )?\[4\]"),
        (rows(["a", "b", "c", "d"]), "expected|refuses"),  # type: ignore[list-item]
        ({"strData": "abc"}, "expected an (array|object)"),
        ({"data": {"ndarray": []}}, r"got (1: shape )?\[0\]"),
    ],
    ids=["too few features", "one dimension", "texts", "strData", "nothing"],
)
async def test_what_the_model_cannot_take_is_refused_with_the_unit_and_what_came(
    kind: str, request_: Any, said: str, run: Run, tmp_path: Path
) -> None:
    _, uri = KINDS[kind](tmp_path / "files")
    running = await run(document(kind.split()[0], uri))
    with pytest.raises(ComponentRejected, match=rf'^unit "m": .*{said}') as refused:
        await predict(running, request_)
    assert refused.value.http_status == 400
    assert refused.value.reason == "MICROSERVICE_BAD_DATA"
    assert (await predict(running, rows(*ROWS))).payload is not None


@pytest.mark.parametrize("kind", KINDS)
async def test_a_corrupt_file_ends_the_start_with_unit_server_and_file(kind: str, run: Run, tmp_path: Path) -> None:
    _, folder = KINDS[kind](tmp_path / "files")
    for file in folder.iterdir():
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] + b"\0\xff")
    with pytest.raises(ComponentLoadError, match=rf'^unit "m": {kind.split()[0]}: .*{folder.name}'):
        await run(document(kind.split()[0], folder))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("SKLEARN_SERVER", "model.joblib or model.pkl or model.pickle"),
        ("XGBOOST_SERVER", "model.json or model.ubj or model.bst"),
        ("LIGHTGBM_SERVER", "model.txt or model.bst"),
        ("ONNX_SERVER", "model.onnx"),
        ("MLFLOW_SERVER", "MLmodel"),
    ],
)
async def test_a_folder_without_a_model_says_what_was_expected_and_what_is_there(
    kind: str, expected: str, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    with pytest.raises(ComponentLoadError, match=rf"{kind}: {folder}: expected {expected}, there is nothing"):
        await run(document(kind, folder))
    (folder / "notes.md").write_text("")
    with pytest.raises(ComponentLoadError, match=rf"expected {expected}, there is notes.md"):
        await run(document(kind, folder))
    with pytest.raises(ComponentLoadError, match=r"missing: there is no such file or folder"):
        await run(document(kind, folder / "missing"))


@pytest.mark.parametrize(
    ("kind", "module", "extra"),
    [
        ("SKLEARN_SERVER", "sklearn", "sklearn"),
        ("XGBOOST_SERVER", "xgboost", "xgboost"),
        ("LIGHTGBM_SERVER", "lightgbm", "lightgbm"),
        ("ONNX_SERVER", "onnxruntime", "onnx"),
        ("MLFLOW_SERVER", "mlflow", "mlflow"),
    ],
)
async def test_a_library_that_is_missing_is_named_with_the_command_that_installs_it(
    kind: str, module: str, extra: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, uri = KINDS[kind](tmp_path / "files")
    for name in [each for each in sys.modules if each == module or each.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ComponentLoadError, match=rf"is not installed: pip install 'gaal\[{extra}\]'"):
        await run(document(kind, uri))


async def test_an_unknown_parameter_is_refused_with_those_that_there_are(run: Run, tmp_path: Path) -> None:
    _, uri = sklearn_file(tmp_path / "files")
    with pytest.raises(ComponentLoadError, match=r"no parameter methud: those of this server are model_uri, method"):
        await run(document("SKLEARN_SERVER", uri, {"methud": "predict"}))
    with pytest.raises(ComponentLoadError, match=r"parameter n_threads: must be of type INT, got 'two'"):
        await run(document("XGBOOST_SERVER", uri, {"n_threads": "two"}))


# scikit-learn


@pytest.mark.parametrize(
    ("method", "called"),
    [
        ("", "predict_proba"),
        ("predict_proba", "predict_proba"),
        ("predict", "predict"),
        ("decision_function", "decision_function"),
        ("anything else", "predict"),
    ],
)
async def test_the_method_of_scikit_learn_is_chosen(method: str, called: str, run: Run, tmp_path: Path) -> None:
    model = sklearn_model()
    dump(model, tmp_path / "files/model.joblib")
    running = await run(document("SKLEARN_SERVER", tmp_path / "files", {"method": method} if method else None))
    reply = await ask(running, rows(*ROWS))
    np.testing.assert_allclose(reply["data"]["ndarray"], getattr(model, called)(ROWS))
    assert reply["data"]["names"] == ([] if called == "predict" else ["t:0", "t:1", "t:2"])


async def test_a_regressor_needs_no_method_and_one_that_it_lacks_is_an_error(run: Run, tmp_path: Path) -> None:
    model = library("sklearn.linear_model").LinearRegression().fit(FEATURES, LABELS)
    dump(model, tmp_path / "files/model.joblib")
    reply = await ask(await run(document("SKLEARN_SERVER", tmp_path / "files")), rows(*ROWS))
    np.testing.assert_allclose(reply["data"]["ndarray"], model.predict(ROWS))
    with pytest.raises(ComponentLoadError, match="expected a model with predict_proba, got a LinearRegression with"):
        await run(document("SKLEARN_SERVER", tmp_path / "files", {"method": "predict_proba"}))


async def test_a_nan_that_the_model_refuses_is_the_callers_mistake_and_its_place_is_said(
    run: Run, tmp_path: Path
) -> None:
    _, uri = sklearn_file(tmp_path / "files")
    running = await run(document("SKLEARN_SERVER", uri))
    with pytest.raises(ComponentRejected, match=r"Input X contains NaN.*; the first NaN is at \[1, 2\]"):
        await predict(running, rows(ROWS[0], [1.0, 2.0, None, 4.0]))  # type: ignore[list-item]


async def test_a_model_of_named_columns_takes_them_in_any_order_and_no_others(run: Run, tmp_path: Path) -> None:
    frame = library("pandas").DataFrame(FEATURES, columns=NAMES)
    model = library("sklearn.linear_model").LogisticRegression().fit(frame, LABELS)
    dump(model, tmp_path / "files/model.joblib")
    running = await run(document("SKLEARN_SERVER", tmp_path / "files"))
    expected = sklearn_model().predict_proba(ROWS)
    turned = {"data": {"names": NAMES[::-1], "ndarray": [row[::-1] for row in ROWS]}}
    for request in (rows(*ROWS), {"data": {"names": NAMES, "ndarray": ROWS}}, turned):
        np.testing.assert_allclose((await ask(running, request))["data"]["ndarray"], expected)
    other = {"data": {"names": ["a", *NAMES[1:]], "ndarray": ROWS}}
    with pytest.raises(ComponentRejected, match=r"expected the names sepal length.*; missing: sepal length"):
        await predict(running, other)
    metadata = await running.unit_metadata("m")
    assert list(metadata.inputs) == [{"messagetype": "tensor", "schema": {"shape": [4], "names": NAMES}}]


async def test_a_pipeline_that_chooses_columns_by_name_gets_a_frame_of_mixed_types(run: Run, tmp_path: Path) -> None:
    frame = library("pandas").DataFrame({"size": FEATURES[:, 0], "town": ["Oslo", "Lima"] * 30})
    encoder = library("sklearn.preprocessing").OneHotEncoder()
    columns = library("sklearn.compose").make_column_transformer((encoder, ["town"]), remainder="passthrough")
    model = library("sklearn.pipeline").make_pipeline(columns, library("sklearn.linear_model").LinearRegression())
    dump(model.fit(frame, LABELS), tmp_path / "files/model.joblib")
    running = await run(document("SKLEARN_SERVER", tmp_path / "files"))
    reply = await ask(running, rows([0.5, "Lima"], [1, "Oslo"]))  # type: ignore[list-item]
    asked = library("pandas").DataFrame({"size": [0.5, 1.0], "town": ["Lima", "Oslo"]})
    np.testing.assert_allclose(reply["data"]["ndarray"], model.predict(asked))
    with pytest.raises(ComponentRejected, match="the model refuses the rows: Found unknown categories"):
        await predict(running, rows([0.5, "Rome"]))  # type: ignore[list-item]


async def test_a_model_of_another_version_of_its_library_is_loaded_with_a_warning(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = sklearn_model()
    state = model.__getstate__

    def of_old(self: Any) -> Any:
        return {**state(), "_sklearn_version": "0.1"}

    try:
        type(model).__getstate__ = of_old  # type: ignore[assignment]
        dump(model, tmp_path / "files/model.joblib")
    finally:
        del type(model).__getstate__
    with caplog.at_level(logging.WARNING):
        await run(document("SKLEARN_SERVER", tmp_path / "files"))
    assert "from version 0.1 when using version" in caplog.text


# XGBoost and LightGBM


async def test_a_missing_value_is_none_or_nan_where_the_model_takes_it(run: Run, tmp_path: Path) -> None:
    booster = save_xgboost(tmp_path / "files/model.json")
    running = await run(document("XGBOOST_SERVER", tmp_path / "files"))
    reply = await ask(running, rows([None, 2.0, 3.0, 4.0]))  # type: ignore[list-item]
    expected = booster.predict(library("xgboost").DMatrix(np.array([[np.nan, 2.0, 3.0, 4.0]])))
    np.testing.assert_allclose(reply["data"]["ndarray"], expected, rtol=1e-5)


async def test_a_linear_booster_is_served_too(run: Run, tmp_path: Path) -> None:
    booster = save_xgboost(tmp_path / "files/model.json", NAMES, booster="gblinear", updater="coord_descent")
    running = await run(document("XGBOOST_SERVER", tmp_path / "files", {"n_threads": 1}))
    expected = booster.predict(library("xgboost").DMatrix(np.array(ROWS), feature_names=NAMES))
    np.testing.assert_allclose((await ask(running, rows(*ROWS)))["data"]["ndarray"], expected, rtol=1e-5)


async def test_a_text_that_is_no_booster_is_said_to_be_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("hello")
    with pytest.raises(ComponentLoadError, match='expected a text of LightGBM, whose first line is "tree"'):
        await run(document("LIGHTGBM_SERVER", tmp_path / "model.txt"))


# ONNX


async def test_the_probabilities_are_the_answer_unless_an_output_is_named(run: Run, tmp_path: Path) -> None:
    model = save_onnx(tmp_path / "files/model.onnx", zipmap=True)
    named = await ask(await run(document("ONNX_SERVER", tmp_path / "files")), rows(*ROWS))
    assert named["data"]["names"] == ["0", "1", "2"]
    np.testing.assert_allclose(named["data"]["ndarray"], model.predict_proba(ROWS), rtol=1e-5)
    label = await run(document("ONNX_SERVER", tmp_path / "files", {"output": "output_label"}))
    assert (await ask(label, rows(*ROWS)))["data"]["ndarray"] == model.predict(ROWS).tolist()
    with pytest.raises(ComponentLoadError, match="expected an output x, got output_label, output_probability"):
        await run(document("ONNX_SERVER", tmp_path / "files", {"output": "x"}))


async def test_several_inputs_come_as_columns_or_by_name(run: Run, tmp_path: Path) -> None:
    save_onnx_of_two_inputs(tmp_path / "files/model.onnx")
    running = await run(document("ONNX_SERVER", tmp_path / "files"))
    assert (await ask(running, rows([3.0, 1.0])))["data"]["ndarray"] == [[4.0]]
    by_name = {"data": {"names": ["b", "a"], "ndarray": [[1.0, 3.0]]}}
    assert (await ask(running, by_name))["data"]["ndarray"] == [[4.0]]
    arrays = await ask(running, {"jsonData": {"a": [[3.0]], "b": [[1.0]]}})
    assert arrays["jsonData"] == {"sum": [[4.0]], "gap": [[2.0]]}
    with pytest.raises(ComponentRejected, match="expected the inputs a, b, got a, c"):
        await predict(running, {"jsonData": {"a": [[3.0]], "c": [[1.0]]}})
    metadata = await running.unit_metadata("m")
    assert metadata.inputs[0] == {"name": "a", "datatype": "FP32", "shape": [-1, 1]}


# MLflow


async def test_the_signature_of_mlflow_is_metadata_and_is_held_to(run: Run, tmp_path: Path) -> None:
    save_mlflow(tmp_path / "model")
    running = await run(document("MLFLOW_SERVER", tmp_path / "model"))
    metadata = await running.unit_metadata("m")
    assert [each["name"] for each in metadata.inputs] == NAMES
    assert metadata.inputs[0]["datatype"] == "FP64"
    turned = {"data": {"names": NAMES[::-1], "ndarray": [row[::-1] for row in ROWS]}}
    assert (await ask(running, turned))["data"] == (await ask(running, rows(*ROWS)))["data"]
    with pytest.raises(ComponentRejected, match="column sepal width: expected float64, could not convert"):
        await predict(running, rows([1.0, "wide", 3.0, 4.0]))  # type: ignore[list-item]


async def test_a_model_of_mlflow_without_a_signature_gets_what_xtype_says(run: Run, tmp_path: Path) -> None:
    pyfunc = library("mlflow.pyfunc")

    python_model: Any = pyfunc.PythonModel

    class Tell(python_model):  # type: ignore[misc]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
            if hasattr(model_input, "columns"):
                return model_input * 2
            return model_input + 1

    pyfunc.save_model(str(tmp_path / "model"), python_model=Tell(), pip_requirements=["numpy"])
    request = {"data": {"names": ["a", "b"], "ndarray": [[1.0, 2.0]]}}
    plain = await ask(await run(document("MLFLOW_SERVER", tmp_path / "model")), request)
    assert plain["data"] == {"names": ["t:0", "t:1"], "ndarray": [[2.0, 3.0]]}
    frame = await ask(await run(document("MLFLOW_SERVER", tmp_path / "model", {"xtype": "DataFrame"})), request)
    assert frame["data"] == {"names": ["a", "b"], "ndarray": [[2.0, 4.0]]}


# metadata.yaml


async def test_metadata_beside_the_model_goes_before_what_the_model_says(run: Run, tmp_path: Path) -> None:
    _, folder = sklearn_file(tmp_path / "files")
    running = await run(document("SKLEARN_SERVER", folder))
    metadata = await running.unit_metadata("m")
    assert metadata.platform == "sklearn"
    assert list(metadata.inputs) == [{"messagetype": "tensor", "schema": {"shape": [4]}}]
    (folder / "metadata.yaml").write_text("name: iris\nversions: [v1]\nplatform: mine\noutputs: []\n")
    metadata = await (await run(document("SKLEARN_SERVER", folder))).unit_metadata("m")
    assert (metadata.name, list(metadata.versions), metadata.platform) == ("iris", ["v1"], "mine")
    for text, said in (
        ("versions: 3\n", "versions"),
        ("[", "line 2, column 1"),
        ("- a\n", "one mapping"),
        ("x: 1\n", "got x"),
    ):
        (folder / "metadata.yaml").write_text(text)
        with pytest.raises(ComponentLoadError, match=rf"SKLEARN_SERVER: .*metadata.yaml: (.|\n)*{said}"):
            await run(document("SKLEARN_SERVER", folder))


async def test_several_models_are_loaded_at_once_and_warnings_stay_as_they_were(run: Run, tmp_path: Path) -> None:
    import warnings

    dump(sklearn_model(), tmp_path / "a.joblib")
    save_xgboost(tmp_path / "b.json")
    children = [json.loads(document("SKLEARN_SERVER", tmp_path / "a.joblib", name=f"a{n}")) for n in range(3)] + [
        json.loads(document("XGBOOST_SERVER", tmp_path / "b.json", name=f"b{n}")) for n in range(3)
    ]
    shown = warnings.showwarning
    graph = {"name": "mean", "implementation": "AVERAGE_COMBINER", "children": children}
    reply = await ask(await run(json.dumps(graph)), rows(*ROWS))
    assert len(reply["data"]["ndarray"]) == 3
    assert warnings.showwarning is shown


async def test_a_model_is_let_go_of_when_its_unit_is_closed(run: Run, tmp_path: Path) -> None:
    import gc
    import weakref

    save_xgboost(tmp_path / "m.json")
    running = await run(document("XGBOOST_SERVER", tmp_path / "m.json"))
    await ask(running, rows(*ROWS))
    gc.collect()
    node: Any = running.predictors[0].nodes["m"]
    server = weakref.ref(node._component.server)
    gc.disable()
    try:
        await running.close()
        assert server() is None
    finally:
        gc.enable()


async def test_arrays_by_name_are_answered_by_arrays_by_name(run: Run, tmp_path: Path) -> None:
    save_onnx_of_two_inputs(tmp_path / "model.onnx")
    running = await run(document("ONNX_SERVER", tmp_path / "model.onnx"))
    given = Payload(Kind.TENSORS, {"a": np.array([[3.0], [5.0]]), "b": np.array([[1.0], [1.0]])})
    reply = await running.predict(Message(given), Context("the-puid"), running.choose())
    assert reply.payload is not None
    assert reply.payload.kind is Kind.TENSORS
    assert {name: array.tolist() for name, array in reply.payload.value.items()} == {
        "sum": [[4.0], [6.0]],
        "gap": [[2.0], [4.0]],
    }


async def test_a_model_that_asks_for_more_memory_than_there_is_ends_the_start(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(path: Path) -> Any:
        raise MemoryError

    dump(sklearn_model(), tmp_path / "model.joblib")
    monkeypatch.setattr(library("joblib"), "load", load)
    with pytest.raises(ComponentLoadError, match=r"model.joblib: the model needs more memory than there is"):
        await run(document("SKLEARN_SERVER", tmp_path / "model.joblib"))
