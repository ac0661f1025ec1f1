"""Messages of every kind, for tests of rules that hold for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gaal.messages import NO_META, Feedback, Kind, Message, Meta, Metric, ModelMetadata, Payload, Status
from gaal.protocols.descriptors import message_class

# Surrogates have no UTF-8 form.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.lists(texts, max_size=4)
doubles = st.floats(allow_nan=False, allow_infinity=False)
float32s = st.floats(allow_nan=False, allow_infinity=False, width=32)
int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)


def json_values(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    )


def any_message(url: str, value: bytes) -> Any:
    make: Any = message_class("google.protobuf.Any")
    return make(type_url=url, value=value)


shapes = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
float64_arrays = arrays.arrays(np.float64, shapes, elements=st.floats())
integer_arrays = st.one_of(
    arrays.arrays(np.int64, shapes),
    arrays.arrays(np.uint64, shapes, elements=st.integers(2**63, 2**64 - 1)),
)
TENSORFLOW_DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8", "c16", ">f4", ">i8"]
tensorflow_arrays = st.sampled_from(TENSORFLOW_DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, shapes))
known_any = st.builds(
    lambda code, info: any_message(
        "type.googleapis.com/seldon.protos.Status",
        message_class("seldon.protos.Status")(code=code, info=info).SerializeToString(),
    ),
    int32s,
    texts,
)
unknown_any = st.builds(lambda name, value: any_message(f"type.test/unknown.{name}", value), texts, st.binary())


def payloads(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Payload | None]:
    """`numbers`: those that stand in JSON values."""
    nested = st.lists(json_values(numbers), max_size=4)
    return st.one_of(
        st.none(),
        st.builds(Payload, st.just(Kind.TENSOR), float64_arrays, names),
        st.builds(Payload, st.just(Kind.NDARRAY), nested, names),
        st.builds(Payload, st.just(Kind.TFTENSOR), tensorflow_arrays, names),
        st.builds(Payload, st.just(Kind.BIN_DATA), st.binary()),
        st.builds(Payload, st.just(Kind.STR_DATA), texts),
        st.builds(Payload, st.just(Kind.JSON_DATA), json_values(numbers)),
        st.builds(Payload, st.just(Kind.CUSTOM_DATA), known_any | unknown_any),
    )


metrics = st.builds(
    Metric, texts, st.sampled_from(["COUNTER", "GAUGE", "TIMER"]), float32s, st.dictionaries(texts, texts, max_size=2)
)


def metas(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Meta]:
    return st.just(NO_META) | st.builds(
        Meta,
        texts,
        st.dictionaries(texts, json_values(numbers), max_size=2),
        st.dictionaries(texts, int32s, max_size=2),
        st.dictionaries(texts, texts, max_size=2),
        st.lists(metrics, max_size=2),
    )


statuses = st.builds(Status, int32s, texts, texts, st.sampled_from(["SUCCESS", "FAILURE"]))


def messages(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Message]:
    return st.builds(Message, payloads(numbers), metas(numbers), st.none() | statuses)


def feedbacks(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Feedback]:
    part = st.none() | messages(numbers)
    return st.builds(Feedback, part, part, float32s, part)


tensor_metadata = st.fixed_dictionaries(
    {},
    optional={
        "messagetype": texts.filter(bool),
        "schema": json_values(doubles),
        "name": texts.filter(bool),
        "datatype": texts.filter(bool),
        "shape": st.lists(int64s, min_size=1, max_size=3),
    },
)
model_metadata = st.builds(
    ModelMetadata,
    texts,
    st.lists(texts, max_size=2).map(tuple),
    texts,
    st.lists(tensor_metadata, max_size=2).map(tuple),
    st.lists(tensor_metadata, max_size=2).map(tuple),
    st.dictionaries(texts, texts, max_size=2),
)


def assert_same_payload(left: Payload | None, right: Payload | None) -> None:
    if left is None or right is None:
        assert left is right
        return
    assert left.kind is right.kind
    assert list(left.names) == list(right.names)
    if isinstance(left.value, np.ndarray):
        assert left.value.dtype == right.value.dtype.newbyteorder("=")
        np.testing.assert_array_equal(left.value, right.value, strict=False)
    else:
        assert left.value == right.value


def assert_same(left: Message | None, right: Message | None) -> None:
    """Whether two messages say the same, whatever form they came in."""
    if left is None or right is None:
        assert left is right
        return
    assert_same_payload(left.payload, right.payload)
    assert (left.meta.puid, left.meta.tags, left.meta.routing, left.meta.request_path) == (
        right.meta.puid,
        right.meta.tags,
        right.meta.routing,
        right.meta.request_path,
    )
    assert list(left.meta.metrics) == list(right.meta.metrics)
    assert left.status == right.status


def assert_same_feedback(left: Feedback, right: Feedback) -> None:
    assert left.reward == right.reward
    for part in ("request", "response", "truth"):
        assert_same(getattr(left, part), getattr(right, part))
