"""All that the rules' pages tell, as it would be sent: events, ticks and alerts."""

from collections.abc import Iterator

from app.rules import RULES
from app.timeline import run
from schemas.alerts import Alert
from schemas.codec import Event, TickData
from schemas.state import Fact
from tests.test_rules import CASES


def facts() -> Iterator[tuple[str, Fact]]:
    """Every event of every page, with its customer."""
    for case in CASES:
        for entry in case.values[1].entries:
            if isinstance(entry.record, Event):
                yield entry.customer, entry.record.fact


def ticks() -> Iterator[TickData]:
    for case in CASES:
        for entry in case.values[1].entries:
            if isinstance(entry.record, TickData):
                yield entry.record


def alerts() -> Iterator[Alert]:
    """Every alert that all rules together say to any page."""
    for case in CASES:
        for said in run(case.values[1], RULES):
            yield from said.alerts
