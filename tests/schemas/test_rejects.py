"""Rejects: where a record came from and why it was refused, in the headers beside its own bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rejects import HEADERS, Reject, own_headers

REJECT = Reject("shop.orders", 3, 17, "schema", "Unreadable", "Expected `str`, got `int` - at `$.data.order_id`")


def test_the_names_are_those_of_kafka_connect() -> None:
    assert HEADERS == (
        "__connect.errors.topic",
        "__connect.errors.partition",
        "__connect.errors.offset",
        "__connect.errors.stage",
        "__connect.errors.exception.class.name",
        "__connect.errors.exception.message",
    )
    assert tuple(name for name, _ in REJECT.to_headers()) == HEADERS


def test_values_are_text() -> None:
    assert dict(REJECT.to_headers())["__connect.errors.offset"] == b"17"


def test_what_is_written_is_read() -> None:
    assert Reject.from_headers(REJECT.to_headers()) == REJECT


words = st.text(max_size=40)
counts = st.integers(0, 2**63 - 1)


@given(st.builds(Reject, topic=words, partition=counts, offset=counts, stage=words, kind=words, reason=words))
def test_any_reason_and_any_place_survive_the_headers(reject: Reject) -> None:
    assert Reject.from_headers(reject.to_headers()) == reject


def test_the_records_own_headers_stand_beside_and_come_back() -> None:
    own = [("traceparent", b"00-1"), ("ce_type", b"order.placed")]
    headers = [*own, *REJECT.to_headers()]

    assert Reject.from_headers(headers) == REJECT
    assert own_headers(headers) == own


def test_a_record_that_is_refused_again_is_told_by_what_refused_it_last() -> None:
    again = Reject("handoff.events", 0, 1, "detect", "Unreadable", "again")
    assert Reject.from_headers([*REJECT.to_headers(), *again.to_headers()]) == again


@pytest.mark.parametrize("headers", [[], [("traceparent", b"00-1")], [("__connect.errors.offset", b"many")]])
def test_headers_of_no_reject_are_refused(headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(ValueError, match="no headers of a reject"):
        Reject.from_headers(headers)


def test_a_header_that_is_no_text_does_not_stop_the_reading() -> None:
    headers = [(name, b"\xff" if name.endswith("message") else value) for name, value in REJECT.to_headers()]
    assert Reject.from_headers(headers).reason == "\N{REPLACEMENT CHARACTER}"
