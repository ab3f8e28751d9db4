"""H201: more of an order line was fulfilled than was ordered: the customer gets two sets."""

from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from app.core.order import lives, location_of
from app.core.patterns.at_most_once import AtMost, Excess
from app.core.rule import On, Rule, Window, iso, select
from schemas.events import FulfilmentCompleted, Line, OrderCancelled, OrderChanged, OrderPlaced
from schemas.state import Fact

_FULFILLED, _ORDERED = (On(FulfilmentCompleted),), (On(OrderPlaced), On(OrderChanged))
_TOLERANCE = 1e-6
"""Quantities may be decimals (metres, kilograms): what differs by less is equal."""


class _Wanted(msgspec.Struct):
    """What is known to be wanted of one article on one order line."""

    line_id: str
    sku: str | None
    said: list[tuple[int, float | None]] = []
    """Since when (ms) which quantity is wanted, in order of time; none where another article took its place."""
    said_by: list[Fact] = []

    @property
    def since(self) -> int:
        """When (ms) it was first said that it is wanted."""
        return self.said[0][0]

    def at(self, moment: int) -> float | None:
        """The quantity in force at a moment (ms); what was said only later counts where nothing was said before."""
        before = [quantity for when, quantity in self.said if when <= moment]
        return before[-1] if before else self.said[0][1]


_Article = tuple[str, str | None]
"""An order line, and a sku that is or was wanted on it."""


def _wanted(facts: Sequence[Fact]) -> dict[_Article, _Wanted]:
    """What is wanted of each article. A line placed twice is one line; a line changed is replaced, and so is one of an
    order that is placed again after it was cancelled.
    """
    begun = lives(facts)
    ordered = [fact for fact in facts if isinstance(fact.data, OrderPlaced | OrderChanged)]
    skus = {line.line_id: line.sku for fact in reversed(ordered) for line in reversed(fact.data.lines) if line.sku}
    wanted: dict[_Article, _Wanted] = {}
    for fact in ordered:
        lines = [((line.line_id, line.sku or skus.get(line.line_id)), line) for line in _added_up(fact.data.lines)]
        skus |= {line_id: sku for (line_id, sku), _ in lines if sku}
        replaces = isinstance(fact.data, OrderChanged) or fact.at in begun
        if replaces:
            _replace(wanted, fact, {article for article, _ in lines})
        for article, line in lines:
            _state(wanted.setdefault(article, _Wanted(*article)), fact, line.quantity, replaces=replaces)
    return wanted


def _replace(wanted: dict[_Article, _Wanted], fact: Fact, articles: Collection[_Article]) -> None:
    """Other articles take the place of those that stood on their lines."""
    changed = {line_id for line_id, _ in articles}
    for article, line in wanted.items():
        if line.line_id in changed and article not in articles:
            line.said.append((fact.at, None))


def _state(wanted: _Wanted, fact: Fact, quantity: float, *, replaces: bool) -> None:
    before = wanted.said[-1][1] if wanted.said and not replaces else None
    wanted.said_by.append(fact)
    wanted.said.append((fact.at, max(quantity, before or 0.0)))


def _added_up(lines: Iterable[Line]) -> Iterator[Line]:
    """A document may name a line once for each unit or serial number."""
    total: dict[tuple[str, str | None], float] = {}
    for line in lines:
        total[line.line_id, line.sku] = total.get((line.line_id, line.sku), 0) + line.quantity
    return (Line(line_id, sku, quantity) for (line_id, sku), quantity in total.items())


class _Slots:
    """Which articles a fulfilled line is counted against: that of its own line; or, where it bears a number of its own
    (a package counts its lines anew), all of its sku together.
    """

    def __init__(self, facts: Sequence[Fact], wanted: dict[_Article, _Wanted]) -> None:
        self._of_line, self._of_sku = (_grouped(wanted.values(), field) for field in ("line_id", "sku"))
        sent = [(line, f.at) for f in facts if isinstance(f.data, FulfilmentCompleted) for line in f.data.lines]
        pooled = {line.sku for line, at in sent if self._own(line, at) is None} - {None}
        self._of: dict[_Article, str] = {}
        for article, line in wanted.items():
            self._of[article] = self._name(self._of_sku[line.sku][0] if line.sku in pooled else line)

    def _name(self, line: _Wanted) -> str:
        """The line's, but where the article took the place of another."""
        first = self._of_line[line.line_id][0]
        return line.line_id if line is first else f"{line.line_id} {line.sku}"

    def _own(self, line: Line, moment: int) -> _Wanted | None:
        known = self._of_line.get(line.line_id, ())
        return _standing((one for one in known if None in (line.sku, one.sku) or line.sku == one.sku), moment)

    def of(self, line: Line, moment: int) -> str | None:
        """The slot that a line fulfilled at a moment (ms) fills; none where it is not on the order then: a wrong item
        is no duplicate.
        """
        found = self._own(line, moment)
        if found is None and line.sku is not None:
            found = _standing(self._of_sku.get(line.sku, ()), moment)
        return None if found is None else self._of[found.line_id, found.sku]

    def wanted(self, slot: str) -> list[_Wanted]:
        """What is wanted of a slot."""
        return [one for same in self._of_line.values() for one in same if self._of[one.line_id, one.sku] == slot]


def _grouped(wanted: Iterable[_Wanted], field: str) -> dict[str | None, list[_Wanted]]:
    groups: dict[str | None, list[_Wanted]] = {}
    for one in wanted:
        groups.setdefault(getattr(one, field), []).append(one)
    return groups


def _standing(wanted: Iterable[_Wanted], moment: int) -> _Wanted | None:
    """The first of these that is wanted at a moment (ms)."""
    return next((one for one in wanted if one.at(moment) is not None), None)


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
            slot = self._slots.of(line, fact.at)
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
        limit = sum(line.at(moment) or 0 for line in self._slots.wanted(slot))
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
                "wanted": f"{sum(line.at(fact.at) or 0 for line in lines):g}",
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
    pattern=AtMost(counted=_FULFILLED, context=_ORDERED, ended_by=(On(OrderCancelled),), excesses=_excesses),
    expected="No more than {wanted} of line {line} of order {order_id} is fulfilled",
    summary="Order {order_id}, line {line}: {fulfilled} fulfilled where {wanted} ordered; the last by the {channel}",
    action="Stop what is still in the house of order {order_id}; call back the second set, and tell the customer",
)
