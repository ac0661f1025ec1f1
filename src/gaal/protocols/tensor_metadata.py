"""Name, datatype and shape of each input or output of a model: what the protocols beside Seldon's tell of them.

The entries of a component's own metadata may have just these, or be those of the Seldon protocol (`messagetype`,
`schema`), which are told as far as there are words for them. A dimension of −1 may have any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gaal.protocols.model_metadata import DATATYPES

_OF_PLAIN = ("strData", "binData", "jsonData", "customData")


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """`datatype` is one of those of V2: BOOL, UINT8, …, FP64, BYTES."""

    name: str
    datatype: str
    shape: Sequence[int]


def tensors_metadata(entries: Sequence[Mapping[str, Any]], stem: str) -> list[TensorMetadata]:
    """One without a name is called after its place: `input-0`, where the stem is `input`."""
    return [_tensor_metadata(entry, f"{stem}-{at}") for at, entry in enumerate(entries) if entry]


def _tensor_metadata(entry: Mapping[str, Any], name: str) -> TensorMetadata:
    schema = entry.get("schema")
    schema = schema if isinstance(schema, Mapping) else {}
    kind = entry.get("messagetype")
    datatype = entry.get("datatype")
    if datatype not in (*DATATYPES, "BF16"):
        datatype = "BYTES" if kind in _OF_PLAIN else "FP64"
    shape = entry.get("shape") or schema.get("shape") or ([len(schema["names"])] if schema.get("names") else [-1])
    if kind is not None and kind not in _OF_PLAIN and len(shape) == 1 and shape != [-1]:
        shape = [-1, *shape]  # the schema tells of a row, the message has any number of them
    return TensorMetadata(str(entry.get("name") or name), str(datatype), [int(size) for size in shape])
