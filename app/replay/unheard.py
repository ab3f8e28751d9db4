"""What is asked of channels that nobody hears. There a rule judges nothing, and that it says nothing is no verdict."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from app.core.facts import Facts
from app.core.patterns.precedence import Precedence
from app.core.patterns.response import Response
from app.core.rule import OwedBy, Rule, View, clock, select
from schemas.events import Data
from schemas.state import Fact

Asking = Response | Precedence
"""The other patterns judge by the facts where no channel is heard that could tell otherwise."""


class Unheard:
    """Counts events by the rule that they ask something of, and by who owes that: channels without a feed."""

    def __init__(self, rules: Iterable[Rule], views: Mapping[str, View]) -> None:
        self.asked: dict[str, Counter[str]] = {}
        """Rule id → the channels that owe, joined by `+` → the events that ask it of them."""
        self._askers: dict[type[Data], list[tuple[str, Asking, View]]] = {}
        for rule in rules:
            for pattern in rule.patterns().values() if rule.id in views else ():
                if isinstance(pattern, Asking) and not _always_heard(pattern, views[rule.id]):
                    for kind in frozenset().union(*pattern.needs):
                        self._askers.setdefault(kind, []).append((rule.id, pattern, views[rule.id]))

    def note(self, fact: Fact) -> None:
        """An event was played. By itself it tells what it asks for: nearly always what it does among others."""
        for rule, pattern, view in self._askers.get(type(fact.data), ()):
            asked = {"+".join(owing) for owing in _asked_in_vain(pattern, fact, view)}
            if asked:
                self.asked.setdefault(rule, Counter()).update(asked)


def _always_heard(pattern: Asking, view: View) -> bool:
    """Whether whatever is asked is asked of the same channels, and one of them is heard."""
    by = None if isinstance(pattern, Response) and pattern.raises else pattern.owed_by
    return isinstance(by, tuple) and not view.feeds.isdisjoint(by)


def _asked_in_vain(pattern: Asking, fact: Fact, view: View) -> Iterator[tuple[str, ...]]:
    for by, trigger in _asked(pattern, fact, view):
        if clock(by, trigger, view.feeds) is None:
            yield by if isinstance(by, tuple) else by(trigger)


def _asked(pattern: Asking, fact: Fact, view: View) -> Iterator[tuple[OwedBy, Fact]]:
    facts = Facts([fact])
    if isinstance(pattern, Response):
        for owed in pattern.obligations(facts, view):
            yield owed.owed_by or pattern.owed_by, owed.trigger
    else:
        for then in select(facts, pattern.then):
            yield pattern.owed_by, then
