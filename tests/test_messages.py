from __future__ import annotations

from gaal.messages import Kind, Payload


def with_source() -> Payload:
    payload = Payload(Kind.NDARRAY, [[1.0, 2.0]])
    payload.source = "as it came"
    return payload


def test_a_copy_keeps_the_form_that_the_payload_came_in() -> None:
    assert with_source().copy().source == "as it came"


def test_a_copy_of_an_array_that_a_component_may_have_written_into_has_what_was_written() -> None:
    payload = with_source()
    payload.array[0, 0] = 7.0

    copy = payload.copy()

    assert copy.source is None
    assert copy.array.tolist() == [[7.0, 2.0]]


def test_a_copy_shares_nothing_that_can_change() -> None:
    payload = Payload(Kind.JSON_DATA, {"a": [1]})
    payload.copy().value["a"].append(2)
    assert payload.value == {"a": [1]}
