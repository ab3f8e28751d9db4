"""H202: the same basket was ordered again on another channel within minutes; probably nobody wants it twice."""

from collections.abc import Iterator, Sequence
from math import inf

import msgspec

from app.core.patterns.at_most_once import AtMost, Excess
from app.core.rule import MINUTE, On, Rule, Window, select
from schemas.events import Line, OrderCancelled, OrderPlaced
from schemas.state import Fact

_PLACED = (On(OrderPlaced),)


class _Order(msgspec.Struct):
    """An order of the customer, from all the events that placed it."""

    first: Fact
    lines: dict[str, Line]
    cancelled: Fact | None = None

    def basket(self) -> dict[str, float]:
        """Sku → quantity; empty where a line does not say what is wanted."""
        if any(line.sku is None for line in self.lines.values()):
            return {}
        wanted: dict[str, float] = {}
        for line in self.lines.values():
            wanted[str(line.sku)] = wanted.get(str(line.sku), 0) + line.quantity
        return wanted


def _orders(facts: Sequence[Fact]) -> list[_Order]:
    """In the order in which they were placed."""
    orders: dict[str, _Order] = {}
    for fact in facts:
        if isinstance(fact.data, OrderPlaced):
            orders.setdefault(fact.data.order_id, _Order(fact, {})).lines.update(
                {x.line_id: x for x in fact.data.lines}
            )
    for fact in facts:
        order = orders.get(fact.data.order_id)
        if isinstance(fact.data, OrderCancelled) and order is not None and order.cancelled is None:
            order.cancelled = fact
    return list(orders.values())


def _excesses(facts: Sequence[Fact], window: Window) -> Iterator[Excess]:
    if next(_on_two_channels(list(select(facts, _PLACED)), window), None) is None:
        return
    orders = _orders(facts)
    same: dict[int, list[_Order]] = {}
    for index, again in _on_two_channels([order.first for order in orders], window):
        if _is_same(orders[index], orders[again]):
            same.setdefault(again, []).append(orders[index])
    for again, earlier in same.items():
        yield _excess(earlier, orders[again])


def _on_two_channels(placed: Sequence[Fact], window: Window) -> Iterator[tuple[int, int]]:
    """Which (by their index) were placed within the window of each other on two channels, as few are: each with the
    one placed last before it first.
    """
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


def _excess(earlier: Sequence[_Order], again: _Order) -> Excess:
    """Of several that are the same, it is a duplicate of the one that stands longest; of those, of the last."""
    order = max(earlier, key=lambda order: inf if order.cancelled is None else order.cancelled.at)
    return Excess(
        fact=again.first,
        episode=again.first.data.order_id,
        evidence=tuple(order.first for order in earlier),
        from_channel=order.first.channel,
        to_channel=again.first.channel,
        owed_by=tuple(sorted({again.first.channel, *(order.first.channel for order in earlier)})),
        excused=_earlier(order.cancelled, again.cancelled),
        words={"first": order.first.data.order_id},
    )


def _earlier(*facts: Fact | None) -> Fact | None:
    return min((f for f in facts if f is not None), key=lambda f: f.at, default=None)


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
