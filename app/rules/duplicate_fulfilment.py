"""H201: more of an order line was fulfilled than was ordered: the customer gets two sets."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from app.core.order import location_of
from app.core.patterns.at_most_once import AtMost, Excess
from app.core.rule import On, Rule, Window, iso, select
from schemas.events import FulfilmentCompleted, Line, OrderChanged, OrderPlaced
from schemas.state import Fact

_FULFILLED, _ORDERED = (On(FulfilmentCompleted),), (On(OrderPlaced), On(OrderChanged))
_TOLERANCE = 1e-6
"""Quantities may be decimals (metres, kilograms): what differs by less is equal."""


class _Wanted(msgspec.Struct):
    """What is known to be wanted of one order line."""

    line_id: str
    sku: str | None = None
    said: list[tuple[int, float]] = []
    """Since when (ms) which quantity is wanted, in order of time."""
    said_by: list[Fact] = []

    @property
    def since(self) -> int:
        """When (ms) it was first said that the line is wanted."""
        return self.said[0][0]

    def at(self, moment: int) -> float:
        """The quantity in force at a moment (ms); what was said only later counts where nothing was said before."""
        before = [quantity for when, quantity in self.said if when <= moment]
        return before[-1] if before else self.said[0][1]


def _wanted(facts: Sequence[Fact]) -> dict[str, _Wanted]:
    """Order line → what is wanted of it. A line placed twice is one line; a line changed is replaced."""
    wanted: dict[str, _Wanted] = {}
    for fact in facts:
        if isinstance(fact.data, OrderPlaced | OrderChanged):
            for line in _added_up(fact.data.lines):
                _state(wanted.setdefault(line.line_id, _Wanted(line.line_id)), fact, line)
    return wanted


def _state(wanted: _Wanted, fact: Fact, line: Line) -> None:
    wanted.sku = line.sku or wanted.sku
    before = 0.0 if isinstance(fact.data, OrderChanged) or not wanted.said else wanted.said[-1][1]
    wanted.said_by.append(fact)
    wanted.said.append((fact.at, max(line.quantity, before)))


def _added_up(lines: Iterable[Line]) -> Iterator[Line]:
    """A document may name a line once for each unit or serial number."""
    total: dict[tuple[str, str | None], float] = {}
    for line in lines:
        total[line.line_id, line.sku] = total.get((line.line_id, line.sku), 0) + line.quantity
    return (Line(line_id, sku, quantity) for (line_id, sku), quantity in total.items())


class _Slots:
    """Which order lines a fulfilled line is counted against: its own; or, where it bears a number of its own (a
    package counts its lines anew), all lines of its sku together.
    """

    def __init__(self, facts: Sequence[Fact], wanted: dict[str, _Wanted]) -> None:
        self._wanted = wanted
        lines = [line for f in facts if isinstance(f.data, FulfilmentCompleted) for line in f.data.lines]
        pooled = {line.sku for line in lines if not self._is_own(line)} - {None}
        self._of: dict[str, str] = {}
        self._of_sku: dict[str | None, str] = {}
        for line_id, line in wanted.items():
            first = self._of_sku.setdefault(line.sku, line_id)
            self._of[line_id] = first if line.sku in pooled else line_id

    def _is_own(self, line: Line) -> bool:
        known = self._wanted.get(line.line_id)
        return known is not None and (line.sku is None or known.sku is None or line.sku == known.sku)

    def of(self, line: Line) -> str | None:
        """The slot that a fulfilled line fills; none where it is not on the order (a wrong item is no duplicate)."""
        if self._is_own(line):
            return self._of[line.line_id]
        return self._of_sku.get(line.sku) if line.sku is not None else None

    def wanted(self, slot: str) -> list[_Wanted]:
        """The order lines of a slot."""
        return [self._wanted[line_id] for line_id, of in self._of.items() if of == slot]


class _Tally:
    """What has been fulfilled of each slot so far, package by package."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts
        self._slots = _Slots(facts, _wanted(facts))
        self._packages: dict[str, dict[str, float]] = {}
        self._filled_by: dict[str, list[Fact]] = {}
        fulfilled = [f.data for f in facts if isinstance(f.data, FulfilmentCompleted)]
        self._labels = {d.tracking_id: d.package_id for d in fulfilled if d.tracking_id and d.package_id}
        self._sellers = sorted({f.channel for f in facts if isinstance(f.data, OrderPlaced | OrderChanged)})

    def add(self, fact: Fact) -> list[str]:
        """The slots that this fulfilment adds to. A package that is reported again adds nothing."""
        into: dict[str, float] = {}
        for line in fact.data.lines:
            slot = self._slots.of(line)
            if slot is not None:
                into[slot] = into.get(slot, 0) + line.quantity
        return [slot for slot, quantity in into.items() if self._fill(slot, fact, quantity)]

    def _fill(self, slot: str, fact: Fact, quantity: float) -> bool:
        label = fact.data.package_id or self._labels.get(fact.data.tracking_id, fact.data.tracking_id)
        package = f"package {label}" if label else f"event {fact.id} {fact.source}"
        packages = self._packages.setdefault(slot, {})
        more = quantity > packages.get(package, 0)
        if more:
            packages[package] = quantity
            self._filled_by.setdefault(slot, []).append(fact)
        return more

    def over(self, slot: str, moment: int) -> bool:
        """Whether more was fulfilled than is wanted at a moment (ms)."""
        limit = sum(line.at(moment) for line in self._slots.wanted(slot))
        return sum(self._packages[slot].values()) > limit + _TOLERANCE * max(1.0, limit)

    def excess(self, slot: str, fact: Fact, episode: str) -> Excess:
        """What is to be said of a slot that this fact made too full."""
        lines = self._slots.wanted(slot)
        said_by = [f for line in lines for f in line.said_by]
        earlier = [f for f in self._filled_by[slot] if f is not fact]
        return Excess(
            fact=fact,
            at=max(fact.at, *(line.since for line in lines)),
            episode=episode,
            evidence=(*said_by, *earlier),
            from_channel=(earlier or said_by)[0].channel,
            to_channel=fact.channel,
            location=location_of(fact, self._facts),
            owed_by=tuple(self._sellers),
            words={
                "line": ", ".join(line.line_id for line in lines),
                "wanted": f"{sum(line.at(fact.at) for line in lines):g}",
                "fulfilled": f"{sum(self._packages[slot].values()):g}",
            },
        )


def _plainly_wanted(ordered: Iterable[Fact], fulfilled: Iterable[Fact]) -> bool:
    """Whether all that was fulfilled, added up, is within the least that was ever ordered of its own line: as nearly
    every order is, for which no tally need be kept.
    """
    left: dict[str, tuple[str | None, float]] = {}
    for line in (line for fact in ordered for line in fact.data.lines):
        sku, least = left.get(line.line_id, (line.sku, line.quantity))
        if sku != line.sku:
            return False
        left[line.line_id] = sku, min(least, line.quantity)
    for line in (line for fact in fulfilled for line in fact.data.lines):
        sku, least = left.get(line.line_id, (None, -1.0))
        if sku != line.sku or line.quantity > least:
            return False
        left[line.line_id] = sku, least - line.quantity
    return True


def _excesses(facts: Sequence[Fact], _window: Window) -> Iterator[Excess]:
    if _plainly_wanted(select(facts, _ORDERED), select(facts, _FULFILLED)):
        return
    tally = _Tally(facts)
    standing: dict[str, str] = {}
    found: dict[str, Excess] = {}
    for fact in facts:
        if isinstance(fact.data, FulfilmentCompleted):
            for slot in tally.add(fact):
                if slot not in standing and tally.over(slot, fact.at):
                    standing[slot] = episode = f"{slot} {iso(fact.at)}" if slot in found else slot
                    found[episode] = tally.excess(slot, fact, episode)
        elif isinstance(fact.data, OrderPlaced | OrderChanged):
            for slot in [slot for slot in standing if not tally.over(slot, fact.at)]:
                episode = standing.pop(slot)
                found[episode] = msgspec.structs.replace(found[episode], met=fact)
    yield from found.values()


RULE = Rule(
    id="H201",
    name="duplicate-fulfilment",
    severity="critical",
    about="order",
    audience="warehouse",
    pattern=AtMost(counted=_FULFILLED, context=_ORDERED, excesses=_excesses),
    expected="No more than {wanted} of line {line} of order {order_id} is fulfilled",
    summary="Order {order_id}, line {line}: {fulfilled} fulfilled where {wanted} ordered; the last by the {channel}",
    action="Stop what is still in the house of order {order_id}; call back the second set, and tell the customer",
)
