"""Asks a server by the stubs of the package tensorflow-serving-api, and prints what comes back as JSON.

The stubs import generated modules of TensorFlow itself. Those few are made here, from Gaal's own definitions, so that
nobody needs TensorFlow for it: `python tensorflow_client.py ADDRESS FOLDER`, where FOLDER takes them.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

PROTO = Path(__file__).parents[2] / "src" / "gaal" / "protocols" / "proto"
EXAMPLE = 'syntax = "proto3"; package tensorflow; message Example {}'
"""Of the messages that the stubs name, the one that Gaal has no use for."""


def make_modules(folder: Path) -> None:
    protoc = import_module("grpc_tools.protoc")
    example = folder / "tensorflow" / "core" / "example" / "example.proto"
    example.parent.mkdir(parents=True)
    example.write_text(EXAMPLE)
    sources = [
        *(path.relative_to(PROTO) for library in ("tensorflow", "xla") for path in (PROTO / library).rglob("*.proto")),
        example.relative_to(folder),
    ]
    well_known = Path(protoc.__file__ or "").parent / "_proto"
    arguments = [f"-I{PROTO}", f"-I{folder}", f"-I{well_known}", f"--python_out={folder}", *map(str, sources)]
    assert protoc.main(["protoc", *arguments]) == 0
    sys.path.insert(0, str(folder))


def ask(address: str) -> dict[str, Any]:
    import grpc

    tensors, predict_messages, metadata_messages, status_messages, predictions_stub, models_stub = map(
        import_module,
        (
            "tensorflow.core.framework.tensor_pb2",
            "tensorflow_serving.apis.predict_pb2",
            "tensorflow_serving.apis.get_model_metadata_pb2",
            "tensorflow_serving.apis.get_model_status_pb2",
            "tensorflow_serving.apis.prediction_service_pb2_grpc",
            "tensorflow_serving.apis.model_service_pb2_grpc",
        ),
    )
    make_predict = predict_messages.PredictRequest
    tensor = tensors.TensorProto(dtype=1, tensor_shape={"dim": [{"size": 1}, {"size": 2}]}, float_val=[1.5, 2])
    with grpc.insecure_channel(address) as channel:
        predictions, models = predictions_stub.PredictionServiceStub(channel), models_stub.ModelServiceStub(channel)
        spec = {"name": "one", "signature_name": "serving_default"}
        reply = predictions.Predict(make_predict(model_spec=spec, inputs={"x": tensor}))
        metadata = predictions.GetModelMetadata(
            metadata_messages.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
        )
        status = models.GetModelStatus(status_messages.GetModelStatusRequest(model_spec=spec))
        try:
            predictions.Predict(make_predict(model_spec={"name": "other"}, inputs={"x": tensor}))
        except grpc.RpcError as error:
            refused = error.code().name
    signatures = metadata_messages.SignatureDefMap()
    assert metadata.metadata["signature_def"].Unpack(signatures)
    [(name, output)] = reply.outputs.items()
    return {
        "output": [name, output.dtype, [dim.size for dim in output.tensor_shape.dim], output.tensor_content.hex()],
        "spec": [reply.model_spec.name, reply.model_spec.version.value, reply.model_spec.signature_name],
        "inputs": sorted(signatures.signature_def["serving_default"].inputs),
        "states": [[each.version, each.state] for each in status.model_version_status],
        "refused": refused,
    }


if __name__ == "__main__":
    make_modules(Path(sys.argv[2]))
    print(json.dumps(ask(sys.argv[1])))
