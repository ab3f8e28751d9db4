"""step: the only place where a case changes.

A case is the facts of one subject. A step adds a fact, or only lets time pass; the rules that can be concerned derive
their claims anew, and what has not been said of them yet is said. Since claims depend on the set of facts and on the
clocks alone, an event that comes twice changes nothing, and the order in which events come changes no verdict.

Most events are the newest of their case, and of most rules nothing has been said: for those a rule may know a shortcut
(`app.core.rule.Shortcut`) to what it waits for. It leads where the claims lead; the laws in the tests hold it to that.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from app.core.alerting import Who, expired, revisions, vanished
from app.core.claim import next_look
from app.core.clocks import ALL, NEVER, Clocks
from app.core.dispatch import Concern, Listeners, Watch, listening, watching
from app.core.facts import Facts, facts_of
from app.core.rule import Rule, View, Waits
from schemas.alerts import Alert
from schemas.codec import Event, size_of, to_ms
from schemas.events import Data
from schemas.state import Case, Due

_NOTHING: Waits = []
"""What a rule waits for that waits for nothing."""
_MANY = 1000
"""Moments in a row that are looked through for those that stand there twice."""
_SPARE = 8
"""Of what a case may hold, this part becomes free when it has become too much."""


class Limits(msgspec.Struct, frozen=True):
    """What keeps state bounded."""

    retention_ms: int = 30 * 86_400_000
    """A case is closed this long after its last event or deadline."""
    facts: int = 200
    """Facts a case keeps; the oldest go first."""
    cases: int = 1000
    """Open cases a customer may have; the oldest are closed first."""
    alerts: int = 200
    """Alerts a case remembers; those go first whose facts are gone, and of them those that are resolved."""
    fact_bytes: int = 350_000
    """What the facts of a case may take in its row. The newest stays, whatever it takes; it has room beside others."""
    alert_bytes: int = 200_000
    """What the alerts of a case may take. A row must stay well below the largest batch that can be sent, or it could
    never be written.
    """


class Step(msgspec.Struct, gc=False):
    """What a step came to, besides the changed case."""

    alerts: tuple[Alert, ...] = ()
    firing: tuple[tuple[Alert, int], ...] = ()
    """Alerts that began (1) or ceased (-1) to fire."""
    errors: tuple[tuple[str, str], ...] = ()
    """Rules that raised (id, what and where): they say nothing in this step, the others go on."""
    closed: bool = False
    closing: int | None = None
    """When the case is to be closed (`Case.closing`), where this step set it."""
    evicted: int = 0
    forgotten: int = 0
    """Alerts that were given up, or not said, to keep within the limits."""
    moves: tuple[tuple[str, Waits, Waits], ...] = ()
    """A rule's id, what it waited for, and what it waits for now."""


class Engine:
    """The rules, compiled for dispatch: an event meets only the rules that listen to its type."""

    def __init__(self, rules: Sequence[Rule], views: Mapping[str, View], limits: Limits) -> None:
        self.limits = limits
        self._light = limits.fact_bytes // limits.facts
        """Bytes of a record of which a case may have as many as it may have facts: none of them need be weighed."""
        self.rules = {rule.id: rule for rule in rules}
        self._watches = watching(rules, views)
        self._listening = listening(rules, self._watches, limits.facts)

    def listening(self, data: type[Data]) -> Sequence[Listeners]:
        """Who listens to events of this type, for each kind of subject that they are about."""
        return self._listening.get(data, ())

    def take(self, listeners: Listeners, who: Who, case: Case, event: Event, clocks: Clocks) -> Step | None:
        """Adds an event to a case, for those who listen to its type; none for one that the case holds already: it
        changes nothing.
        """
        facts, fact = facts_of(case), event.fact
        if facts.holds(fact):
            return None
        step = Step()
        if case.evicted and fact.at <= case.forgotten:  # what was said of it may be forgotten: it would be said again
            case.evicted += 1
            step.evicted += 1
            return step
        newest = case.touched < fact.at
        if newest:
            case.touched = fact.at
            facts.add_newest(fact)
        else:
            facts.add(fact)
        case.heavy |= event.size > self._light
        if case.heavy or len(facts) > listeners.most:
            self._evict(case, facts, listeners.most, step)
        if step.evicted:
            self._judge(who, case, self._watches[who.kind].values(), clocks, step)
        elif not newest:
            self._judge(who, case, listeners.watches, clocks, step)
        elif met := listeners.met_by_newest(case, facts):
            left = _past_shortcuts(met, case, facts, clocks, step)
            if left:
                self._judge(who, case, left, clocks, step)
        if case.closing < 0:
            case.closing = step.closing = case.touched + self.limits.retention_ms
        return step

    def _evict(self, case: Case, facts: Facts, most: int, step: Step) -> None:
        """Lets the oldest facts go, and some more than must: else each that comes would have all rules asked."""
        if len(facts) > most:
            for _ in range(len(facts) - most + most // _SPARE):
                _give_up_oldest(case, facts, step)
        while case.heavy and len(facts) > 1 and facts.weight > self.limits.fact_bytes:
            _give_up_oldest(case, facts, step)

    def look(self, who: Who, case: Case, clocks: Clocks) -> Step:
        """Lets time pass over a case: rules whose moment has come look again."""
        step = Step()
        watches = self._watches.get(who.kind, {})
        due = [rule_id for rule_id, moments in case.due.items() if any(t < clocks.read(c) for c, t in moments)]
        self._judge(who, case, [watches[i] for i in due if i in watches], clocks, step)
        for gone in [i for i in due if i not in watches]:
            _wait(case, gone, case.due[gone], [], step)
        return step

    def _judge(self, who: Who, case: Case, watches: Iterable[Watch], clocks: Clocks, step: Step) -> None:
        facts = facts_of(case)
        for watch in watches:
            rule = watch.rule.id
            before, due = case.due.get(rule, _NOTHING), _NOTHING
            if not any([group.isdisjoint(facts.of) for group in watch.needs]):
                try:
                    alerts, due = _judged(watch, who, case, facts, clocks)
                except Exception as error:  # a rule is code of others: whatever it raises is its own fault alone
                    step.errors += ((rule, _fault(error)),)
                    alerts, due = [], [one for one in before if not _any_passed([one], clocks)]
                for alert in alerts:
                    self._say(who, case, f"{rule} {alert.episode}", alert, step)
            if due != before:
                _wait(case, rule, before, due, step)

    def _say(self, who: Who, case: Case, key: str, alert: Alert, step: Step) -> None:
        """Says it, if the case has room to remember that it was said: else it would be said again."""
        if key not in case.alerts and not self._has_room(case, alert):
            self._make_room(who, case, alert, step)
            if not self._has_room(case, alert):
                step.forgotten += 1
                return
        say(case, key, alert, step)

    def _has_room(self, case: Case, more: Alert) -> bool:
        alerts = case.alerts
        return not alerts or (
            len(alerts) < self.limits.alerts and size_of(alerts) + size_of(more) <= self.limits.alert_bytes
        )

    def _make_room(self, who: Who, case: Case, more: Alert, step: Step) -> None:
        """Forgets alerts together with the facts they rest on, oldest first: nothing is left to say them again."""
        facts = facts_of(case)
        for key, alert in sorted(case.alerts.items(), key=lambda entry: _parting(entry[1], case)):
            last = _last(alert)
            if last >= facts[-1].at:  # it rests on the newest fact
                continue
            while facts[0].at <= last:
                _give_up_oldest(case, facts, step)
            if not self._follows(who, alert, facts):
                _forget(case, key, step)
                if self._has_room(case, more):
                    return

    def _follows(self, who: Who, alert: Alert, facts: Facts) -> bool:
        """Whether the facts still come to the same: by others than those it was said of."""
        watch = self._watches.get(who.kind, {}).get(alert.rule)
        if watch is None or any([group.isdisjoint(facts.of) for group in watch.needs]):
            return False
        try:
            return any(claim.episode == alert.episode for claim in watch.claims(facts, watch.view))
        except Exception:  # what it was to say will be told when it is judged
            return True

    def close(self, case: Case, clocks: Clocks) -> Step:
        """Closes a case, unless something happened since its end was set or something is still to be judged: then it is
        to be closed later.
        """
        end = max(chain((case.touched,), (t for m in case.due.values() for _, t in m))) + self.limits.retention_ms
        if end < clocks.read(ALL):
            return self.end(case, end)
        case.closing = end
        return Step(closing=end)

    def end(self, case: Case, at: int) -> Step:
        """Ends a case before its time (at this moment, ms), to make room: what is still firing expires."""
        step = Step(closed=True)
        expire(case, at, step)
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
    if len(due) > _MANY:  # of one event: a moment for each of its lines
        due = list(dict.fromkeys(due))
    if gone and not case.evicted:
        alerts += [vanished(alert) for alert in gone.values() if alert.resolution != "retracted"]
    return alerts, due


def _past_shortcuts(concerned: Iterable[Concern], case: Case, facts: Facts, clocks: Clocks, step: Step) -> list[Watch]:
    """Lets rules take their shortcut past the newest fact; returns those that can't."""
    newest, due, left = facts[-1], case.due, []
    for rule, watch, shortcut, only_ends in concerned:
        before = due.get(rule, _NOTHING)
        if before or not only_ends:
            try:
                after = shortcut(newest, facts, before)
            except Exception:  # its claims will say why
                after = None
            if after is before:
                continue
            if after is None or (after and _any_passed(after, clocks)):  # there is more to say
                left.append(watch)
            elif after != before:
                _wait(case, rule, before, after, step)
    return left


def _any_passed(waits: Waits, clocks: Clocks) -> bool:
    return any([moment < clocks.read(clock) for clock, moment in waits])


def _wait(case: Case, rule: str, before: Waits, due: Waits, step: Step) -> None:
    """The rule waits for other moments than before: for these."""
    step.moves += ((rule, before, due),)
    if due:
        case.due[rule] = due
    else:
        del case.due[rule]


def _last(alert: Alert) -> int:
    """The moment (ms) of the last event that it rests on."""
    return max((to_ms(cited.time) for cited in alert.evidence), default=NEVER)


def _parting(alert: Alert, case: Case) -> tuple[bool, bool, int]:
    """In which order alerts go: those whose facts are gone, and of them those that are resolved; then by age."""
    last = _last(alert)
    kept = not case.evicted or last > case.forgotten
    return kept, not kept and alert.status == "firing", last


def _give_up_oldest(case: Case, facts: Facts, step: Step) -> None:
    at = facts[0].at
    case.forgotten = max(case.forgotten, at) if case.evicted else at
    facts.drop_oldest()
    case.evicted += 1
    step.evicted += 1


def _forget(case: Case, key: str, step: Step) -> None:
    """An alert goes; what still fires expires, for nobody would resolve it."""
    alert = case.alerts[key]
    if alert.status == "firing":
        say(case, key, expired(alert, case.touched), step)
    del case.alerts[key]
    step.forgotten += 1


def expire(case: Case, at: int, step: Step, judged: Container[str] = ()) -> None:
    """What fires of other rules than these, which are judged still, expires at this moment, ms."""
    for key, alert in case.alerts.items():
        if alert.status == "firing" and alert.rule not in judged:
            say(case, key, expired(alert, at), step)


def say(case: Case, key: str, alert: Alert, step: Step) -> None:
    """Emits a revision, and remembers it as the last of its claim."""
    last = case.alerts.get(key)
    if last is not None and last.status == "firing":  # a revision may name other channels than the one before it
        step.firing += ((last, -1),)
    if alert.status == "firing":
        step.firing += ((alert, 1),)
    case.alerts[key] = alert
    step.alerts += (alert,)


def _fault(error: Exception) -> str:
    """What was raised and in which line, for the log: without its words, in which a customer's data may stand."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f" at {at.tb_frame.f_code.co_filename.rpartition('/')[2]}:{at.tb_lineno}" if at is not None else ""
    return f"{type(error).__name__}{where}"
