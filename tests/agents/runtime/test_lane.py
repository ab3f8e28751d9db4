"""Records wait for their batch without a gap, without a repetition, and in their order."""

from typing import Any, NamedTuple

import pytest
from faust.types import TP

from agents.runtime.lane import InDoubtError, Intake
from agents.runtime.transport import Fetched

AT = TP("events", 3)


class Fake(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int = 0


def batch(first: int, last: int, follows: int | None = None) -> Any:
    records: Any = [Fake("events", 3, offset) for offset in range(first, last + 1)]
    return Fetched(AT, records, first if follows is None else follows, 1).batch()


def offsets(records: Any) -> list[int]:
    return [record.offset for record in records]


def test_batches_that_follow_each_other_are_taken_together() -> None:
    intake = Intake(AT, 10)
    intake.put(batch(10, 12))
    intake.put(batch(13, 14))
    assert offsets(intake.take(100)) == [10, 11, 12, 13, 14]
    assert intake.size == 0


def test_no_more_is_taken_than_asked_for_and_the_rest_stays_in_order() -> None:
    intake = Intake(AT, 0)
    intake.put(batch(0, 4))
    intake.put(batch(5, 6))
    assert offsets(intake.take(3)) == [0, 1, 2]
    assert offsets(intake.take(10)) == [3, 4, 5, 6]


def test_records_that_were_taken_before_are_dropped() -> None:
    intake = Intake(AT, 5)
    intake.put(batch(0, 7))
    intake.put(batch(2, 6))
    assert offsets(intake.take(10)) == [5, 6, 7]
    assert intake.size == 0


def test_offsets_that_only_transaction_markers_hold_are_no_gap() -> None:
    intake = Intake(AT, 5)
    intake.put(batch(7, 8, follows=5))
    assert offsets(intake.take(10)) == [7, 8]


def test_records_that_were_given_to_nobody_are_noticed() -> None:
    intake = Intake(AT, 5)
    intake.put(batch(5, 9))
    with pytest.raises(InDoubtError, match="from 10 to 20 were never handed over"):
        intake.put(batch(20, 21))
