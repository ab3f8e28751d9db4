"""Which rules an event meets: compiled once from the rules, so that an event costs what it can change and no more.

An event meets only rules that listen to its type. The newest fact of a case meets fewer still: not those whose claims
need what the case does not hold, nor, where nothing is waited for, those for which it can only end what is owed. Which
they are follows from the types of what the case holds, and is looked up by them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from app.core.claim import Claim
from app.core.facts import Facts, bits
from app.core.rule import UNCHANGED, Rule, Shortcut, View, WaitsAfter
from app.core.subjects import SUBJECTS, Key
from schemas.events import Data
from schemas.state import Case

_ASKED = Shortcut(lambda _, __, ___: None)
"""No shortcut: the claims are asked."""
_MEETINGS = 4096
"""Sets of types that are remembered for each type of event."""


class Watch(NamedTuple):
    """One rule upon one kind of subject, as the engine asks it."""

    rule: Rule
    view: View
    claims: Callable[[Facts, View], Iterable[Claim]]
    needs: tuple[frozenset[type[Data]], ...]


class Concern(NamedTuple):
    """A rule that listens to a type of event, and its shortcut past the newest of them."""

    rule: str
    watch: Watch
    shortcut: WaitsAfter
    only_ends: bool


class Listeners:
    """The rules that listen to one type of event, upon one kind of subject."""

    def __init__(self, kind: str, names: Key, concerns: Sequence[Concern], most: int) -> None:
        self.kind = kind
        self.names = names
        """Data of such an event → the id of the subject, or none."""
        self.most = most
        """Facts that such a case may have."""
        self.watches = [concern.watch for concern in concerns]
        self._concerns = concerns
        self._changing = [concern for concern in concerns if concern.shortcut is not UNCHANGED.waits]
        """Without the rules to which such a fact, as the newest, means nothing as long as nothing was said."""
        self._met = lru_cache(_MEETINGS)(self._meet)

    def met_by_newest(self, case: Case, facts: Facts) -> Sequence[Concern]:
        """Those for which the newest fact of a case, of this type, may change anything."""
        if case.alerts:
            said = {alert.rule for alert in case.alerts.values()}
            return [c._replace(shortcut=_ASKED.waits, only_ends=False) if c.rule in said else c for c in self._concerns]
        waiting, idle = self._met(facts.types)
        return waiting if case.due else idle

    def _meet(self, types: int) -> tuple[Sequence[Concern], Sequence[Concern]]:
        """Those that are met in a case that holds these types, where anything is waited for; and where nothing is."""
        met = [concern._replace(only_ends=concern.only_ends or _lacks(concern, types)) for concern in self._changing]
        return met, [concern for concern in met if not concern.only_ends]


def _lacks(concern: Concern, types: int) -> bool:
    """Whether a case that holds these types holds nothing that could be claimed: it can only be waited for no more."""
    return not all(bits(group) & types for group in concern.watch.needs)


def watching(rules: Iterable[Rule], views: Mapping[str, View]) -> dict[str, dict[str, Watch]]:
    """Kind of subject → the rules about it, by id."""
    watches: dict[str, dict[str, Watch]] = {}
    for rule in rules:
        for kind, pattern in rule.patterns().items():
            watches.setdefault(kind, {})[rule.id] = Watch(rule, views[rule.id], pattern.claims, pattern.needs)
    return watches


def listening(
    rules: Iterable[Rule], watches: Mapping[str, Mapping[str, Watch]], most: int
) -> dict[type[Data], list[Listeners]]:
    """Event type → who listens to it, for each kind of subject that such an event can be about. `most`: the facts that
    a case may have.
    """
    found: dict[type[Data], dict[str, list[Concern]]] = {}
    for rule in rules:
        for kind, pattern in rule.patterns().items():
            watch = watches[kind][rule.id]
            shortcuts = pattern.shortcuts(watch.view)
            for data in pattern.listens:
                concern = Concern(rule.id, watch, *shortcuts.get(data, _ASKED))
                found.setdefault(data, {}).setdefault(kind, []).append(concern)
    return {data: list(_listeners(data, kinds, most)) for data, kinds in found.items()}


def _listeners(data: type[Data], kinds: Mapping[str, Sequence[Concern]], most: int) -> Iterator[Listeners]:
    for kind, concerns in kinds.items():
        names, enough = SUBJECTS[kind].key(data), SUBJECTS[kind].facts
        if names is not None:
            yield Listeners(kind, names, concerns, most if enough is None else min(most, enough))
