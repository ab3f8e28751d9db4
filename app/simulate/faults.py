"""The catalogue of faults: healthy journeys, the edits that break them, and what is broken then, by construction."""

from collections.abc import Iterable
from random import Random

import msgspec

from app.core.rule import HOUR
from app.simulate.story import Edit, Steps, Story, Teller
from app.simulate.truth import Label, Outcome

ALL_DAY = 24 * HOUR


class About(msgspec.Struct, frozen=True):
    """What a breach is about: the kind of its subject, and its id with `{}` for the customer's."""

    kind: str
    id: str


ORDER, SECOND_ORDER = About("order", "o-{}"), About("order", "o-{}-2")
CONTACT, CART, REQUEST = About("contact", "k-{}"), About("cart", "cart-{}"), About("product", "r-{}")


class Break(msgspec.Struct, frozen=True):
    """A rule that a fault breaks, in what, and how its alert stands in the end."""

    rule: str
    about: About
    outcome: Outcome = "firing"

    def label(self, customer: str) -> Label:
        return Label(self.rule, self.about.kind, self.about.id.format(customer), customer, self.outcome)


class Fault(msgspec.Struct, frozen=True):
    """A journey, its edits in their order, and what they break. One that breaks nothing is a narrow escape."""

    name: str
    tell: Teller
    edits: tuple[Edit, ...]
    breaks: tuple[Break, ...]
    before: int = ALL_DAY
    """It takes so long to be decided that it has to begin before this time of the day, ms from its start."""


def fault(name: str, tell: Teller, edits: Iterable[Edit], breaks: Iterable[Break], *, before: int = ALL_DAY) -> Fault:
    """A line of the catalogue."""
    return Fault(name, tell, tuple(edits), tuple(breaks), before)


def live(fault: Fault, customer: str, at: int, rng: Random) -> tuple[Steps, list[Label]]:
    """The broken journey of a customer from a moment (ms) on, and its labels."""
    story = Story(customer, at, rng)
    fault.tell(story)
    steps = story.steps
    for edit in fault.edits:
        steps = edit(steps)
    return steps, [broken.label(customer) for broken in fault.breaks]
