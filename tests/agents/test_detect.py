"""detect as bytes: what cannot be read is a reject, and a row that cannot be read is no fault of the record."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from agents.detect import Detect
from agents.runtime.task import Header
from app.compose import all_feeds, detector
from app.core.counts import Counts
from app.core.rows import row_key
from app.core.rule import HOUR
from app.rules import RULES
from app.timeline import START
from schemas.codec import Unreadable, encode_event, encode_tick
from schemas.events import OrderPlaced, OrderVisible
from schemas.rejects import Reject
from schemas.state import Fact, Progress
from schemas.topics import EVENTS, REJECTS

PLACED = encode_event(Fact(START, "e1", "/web", "web", OrderPlaced("o1", "pickup", "s1")), {"id": "ann"})
VISIBLE = encode_event(Fact(START + 1, "e2", "/pickup", "pickup", OrderVisible("o1", "s1")), {"id": "ann"})
TICK = encode_tick("/t", START + HOUR, tuple(Progress(f.channel, f.channel, 0, 1, START + HOUR) for f in all_feeds()))
CASE = row_key("ann", "order", "o1")


class Rec(NamedTuple):
    """A record as the client hands it over."""

    value: bytes | None
    key: bytes | None = b"ann"
    topic: str = EVENTS.name
    partition: int = 0
    offset: int = 7
    timestamp: int = START
    headers: Sequence[Header] = ()


def detect(rows: dict[bytes, bytes]) -> Detect:
    task = Detect(0, rows.get, detector(RULES, all_feeds()), Counts())
    task.restore(rows.items())
    return task


@pytest.fixture
def rows() -> dict[bytes, bytes]:
    """The table after an order was placed."""
    writes = detect({}).process([Rec(PLACED)]).writes
    return {key: row for key, row in writes.items() if row is not None}


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{}", b"[" * 100_000])
def test_what_cannot_be_read_is_a_reject_and_nothing_stops(value: bytes | None) -> None:
    task = detect({})
    work = task.process([Rec(value), Rec(PLACED)])
    (reject,) = work.outputs
    assert (reject.topic, reject.value) == (REJECTS.name, value)
    assert task.partition.counts.rejected == 1
    assert CASE in work.writes


def test_a_reject_keeps_the_records_own_headers() -> None:
    """Where it stood first is one of them: what is refused again after it was sent again is still one reject."""
    (reject,) = detect({}).process([Rec(b"?", headers=[("handoff.rejects.first", b"0@7")])]).outputs
    assert ("handoff.rejects.first", b"0@7") in reject.headers
    assert Reject.from_headers(reject.headers).stage == "detect"


@pytest.mark.parametrize("value", [VISIBLE, TICK])
def test_a_row_that_cannot_be_read_ends_it_and_rejects_no_record(rows: dict[bytes, bytes], value: bytes) -> None:
    task = detect(rows)
    rows[CASE] = b"?"
    with pytest.raises(Unreadable):
        task.process([Rec(value)])
    assert task.partition.counts.rejected == 0


def test_what_a_rule_raised_is_said_once_and_not_by_what_it_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    task = detect({})
    for _ in range(3):
        task.partition.counts.raised["H101", "KeyError at order_not_visible.py:23"] += 1
        task.process([Rec(PLACED)])
    (line,) = caplog.messages
    assert line == "H101 raised KeyError at order_not_visible.py:23: it says nothing of what it was looking at"


def test_what_a_rule_raised_in_several_partitions_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    tasks = [detect({}), detect({})]
    shared = tasks[0].partition.counts = tasks[1].partition.counts
    shared.raised["H101", "KeyError at order_not_visible.py:23"] += 1
    for task in tasks:
        task.process([Rec(PLACED)])
    assert len(caplog.messages) == 1
    assert shared.errors == {"H101": 1}
