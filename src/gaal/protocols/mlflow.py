"""The requests and replies of MLflow's scoring server, `/invocations`.

| request                                            | the payload                                               |
|----------------------------------------------------|-----------------------------------------------------------|
| `dataframe_split`: `{"columns", "data"}`           | a table with named columns                                |
| `dataframe_records`: objects                       | the same; what a record does not have is NaN, or None      |
| `instances`, `inputs`                              | rows and columns, see `rows_and_columns`                  |
| CSV with a header                                  | a table; a column is of integers, of floats, or of texts  |

`params` become tags. A reply is `{"predictions": …}`: an array as nested lists, several as an object of them. Every
error is a MessageError.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gaal.errors import MessageError
from gaal.messages import NO_META, Array, Kind, Message, Meta, Payload
from gaal.protocols.json_text import dump, parse, printable, refusal
from gaal.protocols.named_tensors import arrays_of_payload, named_arrays, payload_of_arrays
from gaal.protocols.rows_and_columns import array_of_values, listed, payload_of_columns, payload_of_rows, with_bytes

OUTPUT = "predictions"


# Reading


def decode_json(body: bytes) -> Message:
    fields = parse(body)
    if not isinstance(fields, dict):
        raise refusal("body", "must be a JSON object", fields)
    found = [form for form in _FORMS if form in fields]
    if len(found) != 1:
        raise refusal("body", f"must have one of {', '.join(_FORMS)}", list(fields))
    fields = with_bytes(fields, body)
    return Message(_FORMS[found[0]](fields[found[0]]), _meta(fields.get("params")))


def decode_csv(body: bytes) -> Message:
    try:
        rows = [row for row in csv.reader(io.StringIO(body.decode("utf-8-sig")), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MessageError(f"malformed CSV: {error}") from None
    if len(rows) < 2:
        raise refusal("CSV", "must have a header and at least one row", f"{len(rows)} lines")
    header, *data = rows
    return Message(_table(header, data, "CSV", _parsed_column))


def _meta(params: Any) -> Meta:
    if params is None:
        return NO_META
    if not isinstance(params, dict):
        raise refusal("params", "must be a JSON object", params)
    return Meta(tags=params)


def _of_split(split: Any) -> Payload:
    if not isinstance(split, dict):
        raise refusal("dataframe_split", "must be a JSON object", split)
    rows = listed(split.get("data"), "dataframe_split.data")
    columns = split.get("columns")
    if columns is None:
        return Payload(Kind.NDARRAY, rows)
    if not isinstance(columns, list):
        raise refusal("dataframe_split.columns", "must be an array of names", columns)
    return _table([str(column) for column in columns], rows, "dataframe_split", _column)


def _of_records(records: Any) -> Payload:
    names: dict[str, None] = {}
    for at, record in enumerate(listed(records, "dataframe_records")):
        if not isinstance(record, dict):
            raise refusal(f"dataframe_records[{at}]", "must be a JSON object", record)
        names.update(dict.fromkeys(record))
    rows = [[record.get(name) for name in names] for record in records]
    return _table(list(names), rows, "dataframe_records", _column)


_FORMS: Mapping[str, Callable[[Any], Payload]] = {
    "dataframe_split": _of_split,
    "dataframe_records": _of_records,
    "instances": payload_of_rows,
    "inputs": payload_of_columns,
}


def _table(
    names: Sequence[str], rows: Sequence[Any], place: str, column: Callable[[Sequence[Any], str], Array]
) -> Payload:
    """A table; the arrays themselves, where a cell has more than one value."""
    if len(set(names)) < len(names) or not names:
        raise refusal(f"{place}.columns", "every column must have a name of its own", list(names))
    for at, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise refusal(f"{place}.data[{at}]", f"must have the {len(names)} values of the columns", row)
    columns = {name: column([row[at] for row in rows], f"{place}.{name}") for at, name in enumerate(names)}
    return payload_of_arrays(columns, columns=all(each.ndim == 1 for each in columns.values()))


def _column(values: Sequence[Any], place: str) -> Array:
    if not any(value is None for value in values):
        return array_of_values(list(values), place)
    if all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values):
        return np.array([math.nan if value is None else value for value in values], float)
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def _parsed_column(values: Sequence[str], place: str) -> Array:
    """Integers where all are, else floats where all are or nothing stands, else texts."""
    try:
        return np.array([int(value) for value in values], np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([float(value or "nan") for value in values])
    except ValueError:
        return np.array(values, dtype=object)


# Writing


def encode_reply(message: Message) -> bytes:
    payload = message.payload
    return dump({"predictions": [] if payload is None else _shown(payload)}, bare_non_finite=True)


def _shown(payload: Payload) -> Any:
    if payload.kind in (Kind.JSON_DATA, Kind.STR_DATA) and named_arrays(payload) is None:
        return payload.value
    arrays = arrays_of_payload(payload, (), OUTPUT)
    if len(arrays) == 1 and payload.kind is not Kind.TENSORS:
        return printable(next(iter(arrays.values())))
    return {name: printable(array) for name, array in arrays.items()}


def error_object(code: str, text: str) -> dict[str, str]:
    return {"error_code": code, "message": text}
