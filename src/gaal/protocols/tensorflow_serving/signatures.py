"""What a model takes and gives, and the states of its versions, in TensorFlow Serving's JSON and protobuf.

A model has one signature, `serving_default`. Its versions have numbers here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from gaal.errors import MessageError
from gaal.messages import Json, ModelMetadata
from gaal.protocols.descriptors import message_class, pool
from gaal.protocols.json_text import parse
from gaal.protocols.tensor_metadata import TensorMetadata, tensors_metadata
from gaal.protocols.tensorflow_serving.protobuf import SIGNATURE, ModelSpec, fill_spec, fill_spec_of, parsed

METHOD = "tensorflow/serving/predict"
FIELD = "signature_def"
PLATFORM = "tensorflow"
AVAILABLE, LOADING = "AVAILABLE", "LOADING"
_AVAILABLE = 30
"""The number of the state."""

_DATATYPES = {
    "FP16": "DT_HALF",
    "BF16": "DT_BFLOAT16",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "BYTES": "DT_STRING",
    "BOOL": "DT_BOOL",
    **{f"{sign}INT{bits}": f"DT_{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
}


# Metadata


def metadata_object(metadata: ModelMetadata, version: int) -> dict[str, Any]:
    signatures = MessageToDict(
        _signatures(metadata),
        preserving_proto_field_name=True,
        descriptor_pool=pool(),
        always_print_fields_with_no_presence=True,
    )
    return {
        "model_spec": {"name": metadata.name, "signature_name": "", "version": str(version)},
        "metadata": {FIELD: signatures},
    }


def encode_metadata(metadata: ModelMetadata, version: int) -> bytes:
    """The serialized GetModelMetadataResponse."""
    out: Any = message_class("tensorflow.serving.GetModelMetadataResponse")()
    fill_spec(out.model_spec, metadata.name, version)
    out.metadata[FIELD].Pack(_signatures(metadata))
    return bytes(out.SerializeToString())


def encode_metadata_request(spec: ModelSpec) -> bytes:
    out: Any = message_class("tensorflow.serving.GetModelMetadataRequest")(metadata_field=[FIELD])
    fill_spec_of(out.model_spec, spec)
    return bytes(out.SerializeToString())


def decode_metadata(body: bytes) -> ModelMetadata:
    """From a GetModelMetadataResponse. Raises MessageError."""
    reply = parsed("GetModelMetadataResponse", body)
    signatures: Any = message_class("tensorflow.serving.SignatureDefMap")()
    if FIELD not in reply.metadata or not reply.metadata[FIELD].Unpack(signatures):
        raise MessageError(f"metadata: must have {FIELD}, got {', '.join(reply.metadata)}")
    version = str(reply.model_spec.version.value) if reply.model_spec.HasField("version") else ""
    return _metadata(reply.model_spec.name, version, signatures)


def metadata_of_json(body: bytes) -> ModelMetadata:
    """The same from JSON. Raises MessageError."""
    fields = parse(body)
    signatures: Any = message_class("tensorflow.serving.SignatureDefMap")()
    try:
        spec = fields["model_spec"]
        ParseDict(fields["metadata"][FIELD], signatures, ignore_unknown_fields=True, descriptor_pool=pool())
        return _metadata(str(spec.get("name", "")), str(spec.get("version", "")), signatures)
    except (KeyError, TypeError, AttributeError, ParseError) as error:
        raise MessageError(f"metadata: must be that of TensorFlow Serving: {error}") from None


def _metadata(name: str, version: str, signatures: Any) -> ModelMetadata:
    chosen = signatures.signature_def.get(SIGNATURE) or next(iter(signatures.signature_def.values()), None)
    versions = (version,) if version else ()
    if chosen is None:
        return ModelMetadata(name, versions, PLATFORM)
    return ModelMetadata(name, versions, PLATFORM, _entries(chosen.inputs), _entries(chosen.outputs))


def check_fields(fields: Sequence[str]) -> None:
    """The metadata_field of a request. Raises MessageError."""
    unknown = [field for field in fields if field != FIELD]
    if unknown or not fields:
        raise MessageError(f"metadata_field: must be {FIELD} (got {', '.join(unknown) or 'none'})")


def _signatures(metadata: ModelMetadata) -> Any:
    out: Any = message_class("tensorflow.serving.SignatureDefMap")()
    signature = out.signature_def[SIGNATURE]
    signature.method_name = METHOD
    for field, entries, stem in (
        (signature.inputs, metadata.inputs, "input"),
        (signature.outputs, metadata.outputs, "output"),
    ):
        for tensor in tensors_metadata(entries, stem):
            _fill(field[tensor.name], tensor)
    return out


def _fill(info: Any, tensor: TensorMetadata) -> None:
    info.name = f"{tensor.name}:0"
    info.dtype = pool().FindEnumTypeByName("tensorflow.DataType").values_by_name[_DATATYPES[tensor.datatype]].number
    for size in tensor.shape:
        info.tensor_shape.dim.add(size=size)


def _entries(infos: Mapping[str, Any]) -> Sequence[Mapping[str, Json]]:
    return tuple({"name": name, **_described(infos[name])} for name in sorted(infos))


def _described(info: Any) -> dict[str, Json]:
    name = pool().FindEnumTypeByName("tensorflow.DataType").values_by_number[info.dtype].name
    datatype = next((ours for ours, theirs in _DATATYPES.items() if theirs == name), name)
    return {"datatype": datatype, "shape": [dim.size for dim in info.tensor_shape.dim]}


# States


def status_object(states: Mapping[int, str]) -> dict[str, Any]:
    """The states of versions by their number; the text of one that is not available is its reason."""
    return {
        "model_version_status": [
            {
                "version": str(version),
                "state": LOADING if reason else AVAILABLE,
                "status": {"error_code": "UNAVAILABLE" if reason else "OK", "error_message": reason},
            }
            for version, reason in states.items()
        ]
    }


def encode_status(states: Mapping[int, str]) -> bytes:
    """The serialized GetModelStatusResponse."""
    out: Any = message_class("tensorflow.serving.GetModelStatusResponse")()
    for version, reason in states.items():
        entry = out.model_version_status.add(version=version, state=LOADING if reason else AVAILABLE)
        entry.status.error_code = "UNAVAILABLE" if reason else "OK"
        entry.status.error_message = reason
    return bytes(out.SerializeToString())


def encode_status_request(spec: ModelSpec) -> bytes:
    out: Any = message_class("tensorflow.serving.GetModelStatusRequest")()
    fill_spec_of(out.model_spec, spec)
    return bytes(out.SerializeToString())


def decode_status(body: bytes) -> bool:
    """Whether a GetModelStatusResponse has a version that answers. Raises MessageError."""
    reply = parsed("GetModelStatusResponse", body)
    return any(each.state == _AVAILABLE for each in reply.model_version_status)


def is_available(status: Any) -> bool:
    """Whether a parsed status in JSON has a version that answers."""
    versions = status.get("model_version_status") if isinstance(status, dict) else None
    return isinstance(versions, list) and any(
        isinstance(each, dict) and each.get("state") == AVAILABLE for each in versions
    )
