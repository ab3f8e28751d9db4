"""The ticker: what it says of how far the channels' topics have been read."""

from agents.runtime import Origin
from agents.ticker import Ticker
from app.timeline import START
from schemas.codec import TickData, decode_record
from schemas.state import Progress

ORDERS, DESK = Origin("orders", 0), Origin("desk", 1)


def ticker() -> Ticker:
    return Ticker({"orders": ("web",), "desk": ("pickup",)}, 1, lambda: START)


def said(made: Ticker, caught_up: dict[Origin, int], sizes: dict[str, int]) -> list[Progress]:
    """What the tick to the events says."""
    outs = made.ticks(caught_up, sizes)
    tick = decode_record(outs[0].value) if outs and outs[0].value is not None else TickData(())
    assert isinstance(tick, TickData)
    return list(tick.progress)


def test_a_partition_is_told_of_with_the_size_of_its_topic_once_for_each_move() -> None:
    made = ticker()
    assert said(made, {ORDERS: START}, {"orders": 4}) == [Progress("web", "orders", 0, 4, START)]
    assert said(made, {ORDERS: START}, {"orders": 4}) == []


def test_a_topic_of_unknown_size_is_left_out_until_its_size_is_known() -> None:
    """To call it one of one would be to say that nobody need wait for the others."""
    made, both = ticker(), {ORDERS: START, DESK: START}
    assert [p.channel for p in said(made, both, {"orders": 4})] == ["web"]
    assert said(made, both, {"orders": 4, "desk": 2}) == [Progress("pickup", "desk", 1, 2, START)]
