"""Code written for the `seldon_core` package, run without it: the names, and who finds them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from google.protobuf import any_pb2, struct_pb2
from google.protobuf.wrappers_pb2 import Int64Value

from gaal.components import import_names
from gaal.components.seldon_core import Storage
from gaal.components.seldon_core.flask_utils import SeldonMicroserviceException
from gaal.components.seldon_core.proto import prediction_pb2
from gaal.components.seldon_core.user_model import SeldonComponent, SeldonNotImplementedError, SeldonResponse

FAKE_PACKAGE = {
    "__init__.py": "__version__ = 'real'",
    "user_model.py": "class SeldonComponent: origin = 'real'",
}


def run(program: str, folder: Path, files: dict[str, str] | None = None) -> str:
    """What a program prints in a fresh interpreter that finds `files` on its path. Warnings are errors there too."""
    for name, text in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    paths = [str(folder), *(path for path in sys.path if path)]
    program = f"import sys; sys.path[:0] = {paths!r}\n" + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Who finds the names.


def test_gaal_alone_does_not_make_seldon_core_importable(tmp_path: Path) -> None:
    program = """
        import importlib.util
        import gaal, gaal.components.import_names, gaal.components.contract
        print(importlib.util.find_spec("seldon_core"))
    """
    assert run(program, tmp_path) == "None"


def test_install_makes_it_importable_and_twice_is_as_good_as_once(tmp_path: Path) -> None:
    program = """
        from gaal.components import import_names
        before = len(sys.meta_path)
        import_names.install(); import_names.install()
        import seldon_core
        from gaal.components.seldon_core.user_model import SeldonComponent as Ours
        from seldon_core.user_model import SeldonComponent
        print(len(sys.meta_path) - before, type(sys.meta_path[-1]).__name__, SeldonComponent is Ours)
        print(seldon_core.Storage.__name__, seldon_core.__version__.split(".")[0], seldon_core.user_model.__name__)
    """
    assert run(program, tmp_path).splitlines() == ["1 NameFinder True", "Storage 1 seldon_core.user_model"]


def test_an_installed_package_wins_whole(tmp_path: Path) -> None:
    files = {f"seldon_core/{name}": text for name, text in FAKE_PACKAGE.items()}
    program = """
        from gaal.components import import_names
        import_names.install()
        import seldon_core
        from seldon_core.user_model import SeldonComponent
        try:
            import seldon_core.utils
        except ModuleNotFoundError as error:
            print(seldon_core.__version__, SeldonComponent.origin, error)
    """
    assert run(program, tmp_path, files) == "real real No module named 'seldon_core.utils'"


def test_a_package_that_appears_later_does_not_mix_with_ours(tmp_path: Path) -> None:
    files = {f"later/seldon_core/{name}": text for name, text in FAKE_PACKAGE.items()}
    files["later/seldon_core/only_real.py"] = ""
    program = f"""
        from gaal.components import import_names
        import_names.install()
        import seldon_core
        sys.path.insert(0, {str(tmp_path / "later")!r})
        from seldon_core.user_model import SeldonComponent
        try:
            import seldon_core.only_real
        except ModuleNotFoundError as error:
            print(hasattr(SeldonComponent, "origin"), str(error).split(";")[0])
    """
    assert run(program, tmp_path, files) == "False Gaal has no seldon_core.only_real"


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        (
            "import seldon_core.wrapper",
            "ModuleNotFoundError: Gaal has no seldon_core.wrapper; seldon_core offers Storage, __version__, "
            "flask_utils, metrics, proto, storage, user_model, utils",
        ),
        (
            "from seldon_core.user_model import client_predict",
            "ModuleNotFoundError: Gaal has no seldon_core.user_model.client_predict; seldon_core.user_model offers "
            "SeldonComponent, SeldonNotImplementedError, SeldonResponse",
        ),
        (
            "import seldon_core.flask_utils as f; f.get_request",
            "AttributeError: Gaal has no seldon_core.flask_utils.get_request; seldon_core.flask_utils offers "
            "SeldonMicroserviceException",
        ),
        (
            "from seldon_core.proto import prediction_pb2_grpc",
            "ModuleNotFoundError: Gaal has no seldon_core.proto.prediction_pb2_grpc; seldon_core.proto offers "
            "prediction_pb2",
        ),
    ],
)
def test_a_name_that_gaal_lacks_is_refused_with_those_it_has(statement: str, error: str, tmp_path: Path) -> None:
    program = f"""
        from gaal.components import import_names
        import_names.install()
        try:
            {statement}
        except (ImportError, AttributeError) as error:
            print(f"{{type(error).__name__}}: {{error}}")
    """
    assert run(program, tmp_path) == error


def test_names_of_other_packages_are_none_of_our_business() -> None:
    finder = import_names.NameFinder()
    assert finder.find_spec("seldon_core_extras", None) is None
    assert finder.find_spec("numpy.seldon_core", None) is None


def test_everything_offered_is_there(tmp_path: Path) -> None:
    program = """
        import importlib
        from gaal.components import import_names
        import_names.install()
        for name in import_names.OFFERED:
            module = importlib.import_module(name)
            assert all(hasattr(module, each) for each in module.__all__), name
            assert not hasattr(module, "nonsense")
        print("all")
    """
    assert run(program, tmp_path) == "all"


# Components as users write them.

SUBCLASS = """
    import logging
    from typing import Dict, Iterable, List, Union
    import numpy as np
    from seldon_core.user_model import SeldonComponent, SeldonNotImplementedError
    from seldon_core import Storage

    class Model(SeldonComponent):
        def __init__(self, model_uri: str = None, method: str = "predict"):
            super().__init__()
            self.model_uri = model_uri
            self.ready = False

        def load(self):
            super().load()
            self.folder = Storage.download(self.model_uri)
            self.ready = True

        def predict(self, X: np.ndarray, names: Iterable[str], meta: Dict = None) -> Union[np.ndarray, List, str]:
            if not self.ready:
                self.load()
            return X * 2

        def init_metadata(self):
            return {"name": "model", "versions": ["v1"], "platform": "sklearn"}
"""

WITH_METRICS = """
    from seldon_core.metrics import create_counter, create_gauge, create_timer
    from seldon_core.user_model import SeldonResponse
    import seldon_core.metrics

    class Model(object):
        def predict(self, X, features_names=None):
            return SeldonResponse(data=X, tags={"seen": len(X)}, metrics=[create_counter("rows", len(X))])

        def tags(self):
            return {"version": 1}

        def metrics(self):
            return [
                {"type": "COUNTER", "key": "mycounter", "value": 1},
                create_gauge("mygauge", 100),
                seldon_core.metrics.create_timer("mytimer", 20.2, tags={"branch": "a"}),
            ]
"""

RAW = """
    from google.protobuf import json_format
    from google.protobuf.struct_pb2 import ListValue, Value
    from seldon_core.proto import prediction_pb2
    from seldon_core.utils import get_data_from_proto, array_to_grpc_datadef, seldon_message_to_json

    class Model:
        def predict_raw(self, request):
            if isinstance(request, dict):
                return {"data": {"ndarray": request["data"]["ndarray"]}, "meta": {"tags": {"raw": True}}}
            assert isinstance(request, prediction_pb2.SeldonMessage)
            array = get_data_from_proto(request)
            datadef = array_to_grpc_datadef(request.data.WhichOneof("data_oneof"), array + 1, list(request.data.names))
            meta = prediction_pb2.Meta(
                tags={"raw": Value(bool_value=True)},
                metrics=[prediction_pb2.Metric(key="k", type=prediction_pb2.Metric.GAUGE, value=1)],
            )
            return prediction_pb2.SeldonMessage(data=datadef, meta=meta)
"""

REFUSING = """
    from seldon_core.flask_utils import SeldonMicroserviceException

    class Refused(SeldonMicroserviceException):
        status_code = 422

        def __init__(self, message):
            SeldonMicroserviceException.__init__(self, message, reason="TOO_SHORT")

    class Model:
        def predict(self, X, features_names):
            raise Refused("three columns are needed")
"""


def test_a_subclass_with_load_and_storage_runs(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    program = f"""
        from gaal.components import import_names
        from gaal.components.contract import implemented
        import_names.install()
        import numpy as np
        from MyModel import Model
        model = Model(model_uri="file://{tmp_path}/model")
        print(model.predict(np.array([[1.0, 2.0]]), ["a", "b"]).tolist(), model.folder == "{tmp_path}/model")
        print([m for m in ("load", "predict", "init_metadata", "tags", "route") if implemented(model, m)])
    """
    lines = run(program, tmp_path, {"MyModel.py": SUBCLASS}).splitlines()
    assert lines == ["[[2.0, 4.0]] True", "['load', 'predict', 'init_metadata']"]


def test_a_plain_class_with_metrics_and_tags_runs(tmp_path: Path) -> None:
    program = """
        from gaal.components import import_names
        import_names.install()
        from MyModel import Model
        model = Model()
        reply = model.predict([[1], [2]], [])
        print(reply.data, reply.tags, reply.metrics)
        print([metric["key"] for metric in model.metrics()])
    """
    assert run(program, tmp_path, {"MyModel.py": WITH_METRICS}).splitlines() == [
        "[[1], [2]] {'seen': 2} [{'key': 'rows', 'type': 'COUNTER', 'value': 2}]",
        "['mycounter', 'mygauge', 'mytimer']",
    ]


def test_a_raw_model_runs_on_protobuf_and_on_dicts(tmp_path: Path) -> None:
    program = """
        from gaal.components import import_names
        import_names.install()
        from MyModel import Model, array_to_grpc_datadef, prediction_pb2, seldon_message_to_json
        import numpy as np
        request = prediction_pb2.SeldonMessage(data=array_to_grpc_datadef("tensor", np.array([[1.0, 2.0]]), ["a", "b"]))
        print(seldon_message_to_json(Model().predict_raw(request)))
        print(Model().predict_raw({"data": {"ndarray": [[1]]}})["meta"])
    """
    assert run(program, tmp_path, {"MyModel.py": RAW}).splitlines() == [
        "{'meta': {'tags': {'raw': True}, 'metrics': [{'key': 'k', 'type': 'GAUGE', 'value': 1.0}]}, "
        "'data': {'names': ['a', 'b'], 'tensor': {'shape': [1, 2], 'values': [2.0, 3.0]}}}",
        "{'tags': {'raw': True}}",
    ]


def test_an_exception_of_the_users_own_is_a_refusal(tmp_path: Path) -> None:
    program = """
        from gaal.components import import_names
        import_names.install()
        from MyModel import Model
        try:
            Model().predict([[1]], [])
        except Exception as error:
            print(error, error.status_code, error.reason, error.to_dict())
    """
    assert run(program, tmp_path, {"MyModel.py": REFUSING}) == (
        "three columns are needed 422 TOO_SHORT {'status': {'code': -1, 'info': 'three columns are needed', "
        "'reason': 'TOO_SHORT', 'status': 1}}"
    )


# What stands behind the names.


def test_a_refusal_is_a_400_for_bad_data_unless_it_says_otherwise() -> None:
    error = SeldonMicroserviceException("no")
    assert (str(error), error.message, error.status_code, error.reason) == ("no", "no", 400, "MICROSERVICE_BAD_DATA")
    assert SeldonMicroserviceException("no", status_code=503, reason="BUSY").to_dict() == {
        "status": {"code": -1, "info": "no", "reason": "BUSY", "status": 1}
    }
    assert SeldonMicroserviceException("no", 503).status_code == 503


def test_the_base_class_says_which_method_is_missing() -> None:
    with pytest.raises(SeldonNotImplementedError, match=r"^route is not implemented$") as raised:
        SeldonComponent().route([], [])
    assert raised.value.status_code == 400
    SeldonComponent(any_parameter=1).load()


def test_a_response_is_not_wrapped_twice() -> None:
    response = SeldonResponse([1], tags={"a": 1})
    assert SeldonResponse.create(response) is response
    assert SeldonResponse.create([1]).data == [1]
    assert SeldonResponse([1]).tags is not SeldonResponse([1]).tags


def test_storage_gives_local_paths_and_links_into_a_folder(tmp_path: Path) -> None:
    model = tmp_path / "the model"
    model.mkdir()
    (model / "weights.bin").write_bytes(b"w")
    assert Storage.download(str(model)) == str(model)
    assert Storage.download(f"file://{tmp_path}/the%20model") == str(model)
    assert Storage.download(str(model), str(tmp_path / "out")) == str(tmp_path / "out")
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"w"
    assert Storage.download(str(model), str(tmp_path / "out")) == str(tmp_path / "out")


def test_storage_refuses_what_it_cannot_fetch(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^Cannot recognize storage type for s3://bucket/model"):
        Storage.download("s3://bucket/model")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Storage.download(f"file://{tmp_path}/nowhere")


# The message classes.


def test_messages_are_made_and_read_like_generated_ones() -> None:
    message = prediction_pb2.SeldonMessage(
        data=prediction_pb2.DefaultData(names=["a"], tensor=prediction_pb2.Tensor(shape=[1, 1], values=[1.5])),
        status=prediction_pb2.Status(status=prediction_pb2.Status.FAILURE),
    )
    assert isinstance(message, prediction_pb2.SeldonMessage)
    assert not isinstance(message, prediction_pb2.Feedback)
    assert prediction_pb2.SeldonMessage.FromString(message.SerializeToString()) == message
    assert prediction_pb2.Metric.MetricType.Value("TIMER") == prediction_pb2.Metric.TIMER == 2
    assert prediction_pb2.SeldonMessage.DESCRIPTOR.full_name == "seldon.protos.SeldonMessage"


def test_messages_take_fields_made_with_protobufs_own_classes() -> None:
    custom = any_pb2.Any()
    custom.Pack(Int64Value(value=7))
    message = prediction_pb2.SeldonMessage(
        customData=custom,
        meta=prediction_pb2.Meta(tags={"n": struct_pb2.Value(number_value=1)}),
    )
    unpacked = Int64Value()
    assert message.customData.Unpack(unpacked)
    assert (unpacked.value, message.meta.tags["n"].number_value) == (7, 1)
    listed = prediction_pb2.DefaultData(ndarray=struct_pb2.ListValue(values=[struct_pb2.Value(string_value="x")]))
    assert list(listed.ndarray) == ["x"]
    assert prediction_pb2.SeldonMessage(jsonData=struct_pb2.Value(bool_value=True)).jsonData.bool_value
    many = prediction_pb2.SeldonMessageList(seldonMessages=[message, message])
    assert len(many.seldonMessages) == 2
