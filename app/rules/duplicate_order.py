"""H202: the same basket was ordered again on another channel within minutes; probably nobody wants it twice."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import inf

import msgspec

from app.core.facts import by_time
from app.core.order import lives
from app.core.patterns.at_most_once import AtMost, Excess
from app.core.patterns.response import earlier
from app.core.rule import MINUTE, On, Rule, Window, iso, select
from schemas.events import Line, OrderCancelled, OrderPlaced
from schemas.state import Fact

_PLACED = (On(OrderPlaced),)


class _Order(msgspec.Struct):
    """An order of the customer, from all the events that placed it."""

    first: Fact
    lines: dict[str, Line]
    cancelled: Fact | None
    episode: str

    def basket(self) -> dict[str, float]:
        """Sku → quantity; empty where a line does not say what is wanted."""
        if any(line.sku is None for line in self.lines.values()):
            return {}
        wanted: dict[str, float] = {}
        for line in self.lines.values():
            wanted[str(line.sku)] = wanted.get(str(line.sku), 0) + line.quantity
        return wanted


def _orders(facts: Sequence[Fact]) -> list[_Order]:
    """In the order in which they were placed. One that is placed again after it was cancelled is another."""
    of: dict[str, list[Fact]] = {}
    for fact in facts:
        of.setdefault(fact.data.order_id, []).append(fact)
    return sorted((order for own in of.values() for order in _lived(own)), key=lambda order: by_time(order.first))


def _lived(facts: Sequence[Fact]) -> Iterator[_Order]:
    begun = lives(facts)
    for life, told in groupby(facts, lambda fact: bisect_right(begun, fact.at)):
        own = list(told)
        placed = [fact for fact in own if isinstance(fact.data, OrderPlaced)]
        if placed:
            lines = {line.line_id: line for fact in placed for line in fact.data.lines}
            cancelled = next((fact for fact in own if isinstance(fact.data, OrderCancelled)), None)
            episode = f"{placed[0].data.order_id} {iso(placed[0].at)}" if life else placed[0].data.order_id
            yield _Order(placed[0], lines, cancelled, episode)


def _excesses(facts: Sequence[Fact], window: Window) -> Iterator[Excess]:
    if next(_on_two_channels(list(select(facts, _PLACED)), window), None) is None:
        return
    orders = _orders(facts)
    same: dict[int, list[_Order]] = {}
    for index, again in _on_two_channels([order.first for order in orders], window):
        if _is_same(orders[index], orders[again]):
            same.setdefault(again, []).append(orders[index])
    for again, before in same.items():
        yield _excess(before, orders[again])


def _on_two_channels(placed: Sequence[Fact], window: Window) -> Iterator[tuple[int, int]]:
    """Which (by their index) were placed within the window of each other on two channels, as few are: each with the
    one placed last before it first.
    """
    if len({fact.channel for fact in placed}) < 2:  # as of most customers, however many orders they have
        return
    for again, fact in enumerate(placed):
        within = window.of(fact)
        for index in reversed(range(again)):
            if fact.at - placed[index].at > within:
                break
            if placed[index].channel != fact.channel:
                yield index, again


def _is_same(order: _Order, again: _Order) -> bool:
    """Whoever cancels and then orders on another channel changes channel, and gets one basket."""
    replaced = order.cancelled is not None and order.cancelled.at <= again.first.at
    return not replaced and bool(again.basket()) and order.basket() == again.basket()


def _excess(before: Sequence[_Order], again: _Order) -> Excess:
    """Of several that are the same, it is a duplicate of the one that stands longest; of those, of the last."""
    order = max(before, key=lambda order: inf if order.cancelled is None else order.cancelled.at)
    return Excess(
        fact=again.first,
        episode=again.episode,
        evidence=tuple(order.first for order in before),
        from_channel=order.first.channel,
        to_channel=again.first.channel,
        owed_by=tuple(sorted({again.first.channel, *(order.first.channel for order in before)})),
        excused=earlier(order.cancelled, again.cancelled),
        words={"first": order.first.data.order_id},
    )


RULE = Rule(
    id="H202",
    name="duplicate-order",
    severity="warning",
    about="basket",
    within=10 * MINUTE,
    audience="order desk",
    pattern=AtMost(counted=_PLACED, ended_by=(On(OrderCancelled),), excesses=_excesses),
    expected="The basket of order {first}, placed by {from_channel}, is ordered once",
    summary="Order {order_id} ({to_channel}) is the same basket as order {first} ({from_channel}), minutes before it",
    action="Hold order {order_id}; ask the customer whether both orders are wanted, and cancel the one that is not",
)
