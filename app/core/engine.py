"""step: the only place where a case changes.

A case is the facts of one subject. A step adds a fact, or only lets time pass; the rules that can be concerned derive
their claims anew, and what has not been said of them yet is said. Since claims depend on the set of facts and on the
clocks alone, an event that comes twice changes nothing, and the order in which events come changes no verdict.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import msgspec

from app.core.alerting import Who, expired, revisions, vanished
from app.core.claim import Claim, next_look
from app.core.clocks import ALL, Clocks
from app.core.facts import Facts, facts_of
from app.core.rule import Rule, View
from app.core.subjects import SUBJECTS
from schemas.alerts import Alert
from schemas.events import Data
from schemas.state import Case, Due, Fact

_CLOSE = "close"
"""Where a case's retention stands among the moments it waits for."""
_NOTHING: Sequence[Due] = []
"""What a rule waits for that waits for nothing."""
_MEETINGS = 4096
"""For how many sets of types that meet in a case it is remembered which rules they can concern."""


class Limits(msgspec.Struct, frozen=True):
    """What keeps state bounded."""

    retention_ms: int = 30 * 86_400_000
    """A case is closed this long after its last event or deadline."""
    facts: int = 200
    """Facts a case keeps; the oldest go first. One with fifty lines of goods or more counts as several."""
    cases: int = 1000
    """Open cases a customer may have; the oldest are closed first."""


class Step(msgspec.Struct):
    """What a step came to, besides the changed case."""

    alerts: list[Alert] = []
    firing: list[tuple[Alert, int]] = []
    """Alerts that began (1) or ceased (-1) to fire."""
    errors: list[tuple[str, str]] = []
    """Rules that raised (id, reason): they say nothing in this step, the others go on."""
    closed: bool = False
    evicted: int = 0
    moved: bool = False
    """Whether the case waits for other moments than before."""
    fresh: bool = True
    """Whether the fact was new to the case."""


class Watch(NamedTuple):
    """One rule upon one kind of subject, as the engine asks it."""

    rule: Rule
    view: View
    claims: Callable[[Facts, View], Iterable[Claim]]
    needs: tuple[frozenset[type[Data]], ...]
    raised_by: Callable[[type[Data], frozenset[type[Data]]], bool]

    def can_raise(self, last: type[Data], there: frozenset[type[Data]]) -> bool:
        """Whether a fact of this type, the last in time of facts of these types, can raise a claim."""
        return not any(map(there.isdisjoint, self.needs)) and self.raised_by(last, there)


class Engine:
    """The rules, compiled for dispatch: an event meets only the rules that listen to its type."""

    def __init__(self, rules: Sequence[Rule], views: Mapping[str, View], limits: Limits) -> None:
        self.limits = limits
        self.rules = {rule.id: rule for rule in rules}
        self._watches: dict[str, dict[str, Watch]] = {}
        self._listeners: dict[type[Data], dict[str, tuple[Watch, ...]]] = {}
        for rule in rules:
            for kind, pattern in rule.patterns().items():
                watch = Watch(rule, views[rule.id], pattern.claims, pattern.needs, pattern.raised_by)
                self._watches.setdefault(kind, {})[rule.id] = watch
                for data in pattern.listens:
                    kinds = self._listeners.setdefault(data, {})
                    kinds[kind] = (*kinds.get(kind, ()), watch)
        self._keys = {data: [(kind, SUBJECTS[kind].key) for kind in kinds] for data, kinds in self._listeners.items()}
        self._raising = lru_cache(_MEETINGS)(self._find_raising)

    def subjects(self, fact: Fact) -> list[tuple[str, str]]:
        """The kinds and ids of the subjects that the fact is about and that some rule listens for."""
        data = fact.data
        keys = self._keys.get(type(data), ())
        return [(kind, subject) for kind, key in keys if (subject := key(data)) is not None]

    def take(self, who: Who, case: Case, fact: Fact, clocks: Clocks) -> Step:
        """Adds a fact to a case. One that the case holds already changes nothing."""
        step = Step()
        facts = facts_of(case)
        for known in facts:
            if known.id == fact.id and known.source == fact.source:
                step.fresh = False
                return step
        last = case.touched < fact.at
        if last:
            case.touched = fact.at
        facts.add(fact)
        while facts.weight > self.limits.facts and len(facts) > 1:
            facts.drop_oldest()
            case.evicted += 1
            step.evicted += 1
        self._judge(who, case, self._concerned(who.kind, case, facts, fact, last), clocks, step)
        if _CLOSE not in case.due:
            _wait(case, _CLOSE, [(ALL, case.touched + self.limits.retention_ms)], step)
        return step

    def _concerned(self, about: str, case: Case, facts: Facts, fact: Fact, last: bool) -> Sequence[Watch]:
        """The rules that the fact can mean anything to. What comes last in time, and can only end what is owed, means
        nothing to a rule of which nothing is owed and nothing was said.
        """
        kind: type[Data] = type(fact.data)
        if not last or case.alerts:
            return self._listeners[kind][about]
        due = case.due
        listening = self._raising(about, kind, facts.kinds)
        return [watch for watch, raises in listening if raises or watch.rule.id in due]

    def _find_raising(
        self, about: str, last: type[Data], there: frozenset[type[Data]]
    ) -> tuple[tuple[Watch, bool], ...]:
        """The rules that listen to a type, each with whether it `can_raise`; few meetings of types are common."""
        return tuple((watch, watch.can_raise(last, there)) for watch in self._listeners[last][about])

    def look(self, who: Who, case: Case, clocks: Clocks) -> Step:
        """Lets time pass over a case: rules whose moment has come look again, and a case past its retention closes."""
        step = Step()
        watches = self._watches.get(who.kind, {})
        due = [rule_id for rule_id, moments in case.due.items() if any(t < clocks.read(c) for c, t in moments)]
        self._judge(who, case, [watches[i] for i in due if i in watches], clocks, step)
        for gone in [i for i in due if i not in watches and i != _CLOSE]:
            _wait(case, gone, [], step)
        if _CLOSE in due:
            self._close(case, clocks, step)
        return step

    def _judge(self, who: Who, case: Case, watches: Sequence[Watch], clocks: Clocks, step: Step) -> None:
        if not watches:
            return
        facts = facts_of(case)
        there = facts.kinds
        for watch in watches:
            rule = watch.rule.id
            due: list[Due] = []
            if not any(map(there.isdisjoint, watch.needs)):
                try:
                    alerts, due = _judged(watch, who, case, facts, clocks)
                except Exception as error:  # a rule is code of others: whatever it raises is its own fault alone
                    step.errors.append((rule, f"{type(error).__name__}: {error}"))
                    continue
                for alert in alerts:
                    say(case, f"{rule} {alert.episode}", alert, step)
            if due != case.due.get(rule, _NOTHING):
                _wait(case, rule, due, step)

    def _close(self, case: Case, clocks: Clocks, step: Step) -> None:
        """Closes the case, unless something happened since its end was set or something is still to be judged."""
        last = max(chain((case.touched,), (t for i, m in case.due.items() if i != _CLOSE for _, t in m)))
        end = last + self.limits.retention_ms
        if end >= clocks.read(ALL):
            _wait(case, _CLOSE, [(ALL, end)], step)
            return
        _expire(case, end, step)

    def end(self, case: Case, at: int) -> Step:
        """Ends a case before its time (at this moment, ms), to make room: what is still firing expires."""
        step = Step()
        _expire(case, at, step)
        return step


def _judged(watch: Watch, who: Who, case: Case, facts: Facts, clocks: Clocks) -> tuple[list[Alert], list[Due]]:
    """What is to be said now of a rule's claims and of alerts whose claim is gone, and when to look again."""
    alerts: list[Alert] = []
    due: list[Due] = []
    rule = watch.rule
    gone = {alert.episode: alert for alert in case.alerts.values() if alert.rule == rule.id} if case.alerts else {}
    for claim in watch.claims(facts, watch.view):
        last = gone.pop(claim.episode, None) if gone else None
        if last is None and claim.kept:
            continue
        clock = claim.clock
        mark = clocks.read(clock)
        moment = next_look(claim, mark)
        if moment is not None:
            due.append((clock, moment))
        if last is not None or moment != claim.first:
            alerts += revisions(rule, who, claim, last, mark)
    if gone and not case.evicted:
        alerts += [vanished(alert) for alert in gone.values() if alert.resolution != "retracted"]
    return alerts, due


def _wait(case: Case, rule: str, due: list[Due], step: Step) -> None:
    """The rule waits for other moments than before: for these."""
    step.moved = True
    if due:
        case.due[rule] = due
    else:
        del case.due[rule]


def _expire(case: Case, at: int, step: Step) -> None:
    for key, alert in case.alerts.items():
        if alert.status == "firing":
            say(case, key, expired(alert, at), step)
    step.closed = True


def say(case: Case, key: str, alert: Alert, step: Step) -> None:
    """Emits a revision, and remembers it as the last of its claim."""
    last = case.alerts.get(key)
    if last is not None and last.status == "firing":  # a revision may name other channels than the one before it
        step.firing.append((last, -1))
    if alert.status == "firing":
        step.firing.append((alert, 1))
    case.alerts[key] = alert
    step.alerts.append(alert)


def wakes(case: Case) -> dict[str, int]:
    """Clock → the first moment (ms) on it that the case waits for."""
    first: dict[str, int] = {}
    for moments in case.due.values():
        for clock, moment in moments:
            if moment < first.get(clock, moment + 1):
                first[clock] = moment
    return first
