"""What a unit may say of its model: the rules of the Seldon Core Python wrapper, and how the sources add up.

| field             | value                                        | default                     |
|-------------------|----------------------------------------------|-----------------------------|
| name              | text                                         | the image without its tag   |
| versions          | list of texts                                | the image's tag             |
| platform          | text                                         | ""                          |
| inputs, outputs   | list of descriptions, see `_check_description` | []                        |
| custom            | object, text to text                         | {}                          |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gaal.errors import MessageError
from gaal.messages import ModelMetadata
from gaal.protocols import seldon_json
from gaal.protocols.json_text import refusal

ARRAY_TYPES = ("tensor", "ndarray", "tftensor")
PLAIN_TYPES = ("strData", "binData")
DATATYPES = (
    "BOOL",
    *(f"{sign}INT{bits}" for sign in ("U", "") for bits in (8, 16, 32, 64)),
    *("FP16", "FP32", "FP64", "BYTES"),
)


def merged(image: str, own: Any, given: Any) -> ModelMetadata:
    """The defaults, what the class says (`own`), and what its user says (`given`), the later one wins.

    Raises MessageError for what breaks a rule.
    """
    name, _, version = image.rpartition(":")
    fields: dict[str, Any] = {"name": name, "versions": [version]}
    for source, value in (("init_metadata", own), ("MODEL_METADATA", given)):
        if not isinstance(value, Mapping):
            raise refusal(source, "must be an object", value)
        fields |= value
    unknown = [key for key in fields if key not in _FIELDS]
    if unknown:
        raise MessageError(f"metadata: must have no other fields than {', '.join(_FIELDS)}, got {', '.join(unknown)}")
    for place in ("inputs", "outputs"):
        for i, description in enumerate(_list(fields.get(place) or [], place)):
            _check_description(description, f"{place}[{i}]")
    return seldon_json.model_metadata_of(fields)


_FIELDS = ("name", "versions", "platform", "inputs", "outputs", "custom")


def _check_description(description: Any, place: str) -> None:
    """One input or output: of the Seldon protocol if it has a `messagetype`, else of the Open Inference Protocol."""
    if not isinstance(description, dict):
        raise refusal(place, "must be an object", description)
    kind = description.get("messagetype")
    if kind is None:
        _only(description, {"name": _text, "datatype": _datatype, "shape": _integers}, place)
    elif kind in PLAIN_TYPES:
        _only(description, {"messagetype": _text}, place)
    elif kind in ARRAY_TYPES:
        _only(description, {"messagetype": _text, "schema": _array_schema}, place)
    else:
        _only(description, {"messagetype": _text, "schema": _object}, place)


def _only(value: Any, checks: Mapping[str, Callable[[Any, str], Any]], place: str) -> None:
    """Checks that an object has some of these fields, each as its check wants it, and no other."""
    for key, item in _object(value, place).items():
        if key not in checks:
            raise MessageError(f"{place}: must have no other fields than {', '.join(checks)}, got {key}")
        checks[key](item, f"{place}.{key}")


def _array_schema(value: Any, place: str) -> None:
    _only(value, {"names": _texts, "shape": _integers}, place)


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refusal(place, "must be an object", value)
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise refusal(place, "must be a list", value)
    return list(value)


def _text(value: Any, place: str) -> None:
    if not isinstance(value, str):
        raise refusal(place, "must be text", value)


def _texts(value: Any, place: str) -> None:
    for i, each in enumerate(_list(value, place)):
        _text(each, f"{place}[{i}]")


def _integers(value: Any, place: str) -> None:
    for i, each in enumerate(_list(value, place)):
        if type(each) is not int:
            raise refusal(f"{place}[{i}]", "must be an integer", each)


def _datatype(value: Any, place: str) -> None:
    if value not in DATATYPES:
        raise refusal(place, f"must be one of {', '.join(DATATYPES)}", value)
