"""A story is what happened to one customer, step by step, and the edits that break it.

An edit is a pure function from steps to steps: the catalogue of faults (`app.simulate.faults`) is written in them.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from schemas.events import Channel, Data


class Step(msgspec.Struct, frozen=True, gc=False):
    """One event, as it happened and as it is sent."""

    at: int
    """Event time, ms."""
    channel: Channel
    data: Data
    held: int = 0
    """How long the record is kept back on its way, ms, beyond what is usual for its channel."""


Steps = list[Step]
Edit = Callable[[Sequence[Step]], Steps]


class Story(msgspec.Struct):
    """A story as it is told: the cursor `at` moves on, and each thing said becomes a step of that moment."""

    customer: str
    at: int
    rng: Random
    steps: Steps = []

    @property
    def order(self) -> str:
        return f"o-{self.customer}"

    @property
    def second(self) -> str:
        """The customer's other order, where there is one."""
        return f"o-{self.customer}-2"

    @property
    def case(self) -> str:
        return f"k-{self.customer}"

    @property
    def cart(self) -> str:
        return f"cart-{self.customer}"

    def say(self, channel: Channel, data: Data, *, held: int = 0) -> None:
        self.steps.append(Step(self.at, channel, data, held))

    def wait(self, least: int, most: int) -> None:
        """Lets a random time pass, ms."""
        self.at += least + int(self.rng.random() * (most - least))

    def among(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.rng.random() * len(choices))]

    def chance(self, share: float) -> bool:
        return self.rng.random() < share


Teller = Callable[[Story], None]


Which = Callable[[Step], bool]


def the(what: type[Data], channel: Channel | None = None, **fields: Any) -> Which:
    """The steps of a type, of one channel or of any, with these fields."""

    def which(step: Step) -> bool:
        if type(step.data) is not what or channel not in (None, step.channel):
            return False
        return all(getattr(step.data, name) == value for name, value in fields.items())

    return which


def drop(*which: Which) -> Edit:
    """It never happened."""
    return lambda steps: [s for s in steps if not any(w(s) for w in which)]


def move(which: Which, by: int) -> Edit:
    """It happened later by so much (ms)."""
    return rewrite(which, lambda s: msgspec.structs.replace(s, at=s.at + by))


def hold(which: Which, by: int) -> Edit:
    """It happened in time, and its record is kept back for so long (ms)."""
    return rewrite(which, lambda s: msgspec.structs.replace(s, held=by))


def change(which: Which, **fields: Any) -> Edit:
    """It said something else."""
    return rewrite(which, lambda s: msgspec.structs.replace(s, data=msgspec.structs.replace(s.data, **fields)))


def rewrite(which: Which, other: Callable[[Step], Step]) -> Edit:
    """It happened otherwise."""
    return lambda steps: [other(s) if which(s) else s for s in steps]


def put(which: Which, after: Which, by: int) -> Edit:
    """It happened so long (ms) after the first of those."""

    def edit(steps: Sequence[Step]) -> Steps:
        at = next(filter(after, steps)).at + by
        return [msgspec.structs.replace(s, at=at) if which(s) else s for s in steps]

    return edit


def cut(after: Which, by: int = 0) -> Edit:
    """Nothing more happened from so long (ms) after the first of those; that one itself stays."""

    def edit(steps: Sequence[Step]) -> Steps:
        end = next(filter(after, steps))
        return [s for s in steps if s is end or s.at < end.at + by]

    return edit


def then(after: Which, by: int, channel: Channel, say: Callable[[Any], Data]) -> Edit:
    """Something more happened so long (ms) after the last of those, which tells (by its data) what."""

    def edit(steps: Sequence[Step]) -> Steps:
        last = max(filter(after, steps), key=lambda s: s.at)
        return [*steps, Step(last.at + by, channel, say(last.data))]

    return edit
