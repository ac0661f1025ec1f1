"""What a model takes and gives, as V2 tells it: in JSON and in protobuf, for servers and for clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gaal.messages import Json, ModelMetadata
from gaal.protocols.descriptors import message_class
from gaal.protocols.json_text import parse
from gaal.protocols.open_inference.protobuf import parsed
from gaal.protocols.seldon_json import model_metadata_of
from gaal.protocols.tensor_metadata import tensors_metadata


def metadata_object(metadata: ModelMetadata) -> dict[str, Any]:
    return {
        "name": metadata.name,
        "versions": [version for version in metadata.versions if version],
        "platform": metadata.platform,
        "inputs": [asdict(each) for each in tensors_metadata(metadata.inputs, "input")],
        "outputs": [asdict(each) for each in tensors_metadata(metadata.outputs, "output")],
    }


def encode_metadata(metadata: ModelMetadata) -> bytes:
    """The serialized ModelMetadataResponse."""
    fields = metadata_object(metadata)
    out: Any = message_class("inference.ModelMetadataResponse")(**fields)
    return bytes(out.SerializeToString())


def metadata_of_json(body: bytes) -> ModelMetadata:
    """Raises MessageError."""
    return model_metadata_of(parse(body))


def decode_metadata(body: bytes) -> ModelMetadata:
    """From a ModelMetadataResponse. Raises MessageError."""
    reply = parsed("ModelMetadataResponse", body)
    return ModelMetadata(
        reply.name, tuple(reply.versions), reply.platform, _entries(reply.inputs), _entries(reply.outputs)
    )


def _entries(tensors: Any) -> Sequence[Mapping[str, Json]]:
    return tuple({"name": each.name, "datatype": each.datatype, "shape": list(each.shape)} for each in tensors)
