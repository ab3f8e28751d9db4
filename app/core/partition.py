"""Everything of one events partition: its clocks, its journeys, what has been taken from where. Records in, work out.

Live, replay and tests all run this class; only what stands behind the row reader differs.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec

from app.core.alerting import Who
from app.core.clocks import ALL, ALWAYS, Clocks, Feed
from app.core.closing import Closing
from app.core.counts import Counts
from app.core.engine import Engine, Step, expire
from app.core.journeys import Open, Reader
from app.core.room import Room
from app.core.rows import CHANNELS, Rows, piece_number, row_key, who_of
from app.core.silence import Silence
from app.core.taken import take
from app.core.timers import Timers
from schemas.alerts import Alert
from schemas.codec import Event, Record, TickData, decode_case
from schemas.state import Case, Journal


class Work(msgspec.Struct, frozen=True):
    """What a batch came to."""

    alerts: Sequence[Alert]
    rows: Mapping[bytes, bytes | None]


class Partition:
    """The detector's state of one events partition. The first partition also watches the feeds themselves."""

    def __init__(
        self,
        engine: Engine,
        feeds: Iterable[Feed],
        read: Reader,
        *,
        room: Room,
        silence: Silence | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.counts = counts if counts is not None else Counts()
        self.firing: Counter[tuple[str, str, str]] = Counter()
        """Rule, from and to channel → alerts firing now."""
        self.clocks = Clocks(feeds)
        self._engine = engine
        self._silence = silence
        self._rows = Rows(read, room)
        self._timers = Timers()
        self._closing = Closing(self._rows)
        self._journal = Journal()
        self._alerts: list[Alert] = []

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """Builds the clocks, the timers and the queue of closings from every row of the table partition."""
        self._journal = self._rows.journal()
        self.clocks.resume(self._journal.progress, self._journal.spoke, self._journal.reached)
        pieces: list[int] = []
        first = ALWAYS
        for key, row in rows:
            if not key.startswith(b"\0"):
                case = decode_case(row)
                self._restore_case(key, case)
                first = min(first, case.closing) if case.closing >= 0 else first
            elif (number := piece_number(key)) is not None:
                pieces.append(number)
        self._closing.resume(pieces, first)

    def _restore_case(self, key: bytes, case: Case) -> None:
        for rule, due in case.due.items():
            self._timers.move(key, rule, (), due)
        for alert in case.alerts.values():
            self.firing[_seam(alert)] += alert.status == "firing"
        if case.alerts:
            self._end_unjudged(key, case)

    def _end_unjudged(self, key: bytes, case: Case) -> None:
        """Ends what fires and is judged no more: its rule was turned off, or nobody watches its channel now."""
        step = Step()
        expire(case, self.clocks.read(ALL), step, self._judged(key))
        if step.alerts:
            self._done(key, case, step)

    def _judged(self, key: bytes) -> Container[str]:
        """The rules that are judged in the case of this row."""
        if not key.startswith(CHANNELS):
            return self._engine.rules
        silence = self._silence
        watched = silence is not None and silence.watches(who_of(key).id, self.clocks)
        return (silence.rule.id,) if silence is not None and watched else ()

    def feed(self, customer: str, record: Record) -> None:
        """Takes one record in, in the order of the log."""
        if isinstance(record, Event):
            if record.linked or take(self._journal.taken, record.fact.origin, record.position):
                self._take(customer, record)
            else:
                self.counts.repeated += 1
        else:
            self._tick(record)

    def _take(self, customer: str, event: Event) -> None:
        fact = event.fact
        data = fact.data
        self.counts.heard(fact, self.clocks)
        for listeners in self._engine.listening(type(data)):
            kind, subject = listeners.kind, listeners.names(data)
            if subject is None:
                continue
            key = row_key(customer, kind, subject)
            case = self._rows.open_case(key, customer, (kind, subject))
            if case is None:
                case = Case(due={}, facts=[], alerts={})
                self._opened(customer, (kind, subject), fact.at)
            step = self._engine.take(listeners, Who(customer, kind, subject), case, event, self.clocks)
            if step is None:
                self.counts.duplicates += 1
            else:
                self._done(key, case, step)

    def _opened(self, customer: str, subject: tuple[str, str], at: int) -> None:
        """Lists a new case, and ends the oldest of the customer (at this moment, ms) where there are too many."""
        journeys = self._rows.journeys
        if subject in journeys.of(customer):  # its row was lost with a batch of which only the first rows were written
            return
        journey = journeys.add(customer, subject)
        while len(journey) > self._engine.limits.cases:
            self._end_oldest(customer, journey, at)

    def _end_oldest(self, customer: str, journey: Open, at: int) -> None:
        first = next(iter(journey))
        key = row_key(customer, *first)
        oldest = self._rows.case(key)
        if oldest is None:  # lost in the same way
            self._rows.journeys.remove(customer, first)
            return
        self._done(key, oldest, self._engine.end(oldest, at))
        self.counts.evicted["cases"] += 1

    def _tick(self, tick: TickData) -> None:
        self.clocks.hear(tick.progress)
        self.counts.ticks += 1
        for clock in self._timers.clocks():
            for key in dict.fromkeys(self._timers.due(clock, self.clocks.read(clock))):
                case = self._rows.case(key)
                if case is not None:
                    self._done(key, case, self._engine.look(who_of(key), case, self.clocks))
        for moment, key in self._closing.due(self.clocks.read(ALL)):
            case = self._rows.case(key)
            if case is not None and case.closing == moment:
                self._done(key, case, self._engine.close(case, self.clocks))
        if self._silence is not None:
            self._watch(self._silence)

    def _watch(self, silence: Silence) -> None:
        for channel in silence.concerned(self.clocks):
            key = row_key("", "channel", channel)
            case = self._rows.case(key) or Case(due={}, facts=[], alerts={})
            step = silence.step(channel, case, self.clocks)
            if step.alerts:
                self._done(key, case, step)

    def _done(self, key: bytes, case: Case, step: Step) -> None:
        for rule, before, after in step.moves:
            self._timers.move(key, rule, before, after)
        if step.closing is not None:
            self._closing.append(step.closing, key)
        if step.alerts or step.errors or step.evicted or step.forgotten or step.closed:
            self._told(key, case, step)
        if not step.closed:
            self._rows.put(key, case)

    def _told(self, key: bytes, case: Case, step: Step) -> None:
        self.counts.stepped(step, self.clocks)
        for alert, change in step.firing:
            self.firing[_seam(alert)] += change
        self._alerts += step.alerts
        if step.closed:
            for rule, due in case.due.items():
                self._timers.move(key, rule, due, ())
            self._rows.delete(key)
            who = who_of(key)
            self._rows.journeys.remove(who.customer, (who.kind, who.id))

    def waiting(self) -> dict[str, int]:
        """Clock → how many moments of it cases wait for, besides their end."""
        return {clock: self._timers.waiting(clock) for clock in self._timers.clocks()}

    def first_wait(self) -> int | None:
        """The earliest moment, ms, that anything waits for: a tick that comes no further changes nothing."""
        limits = self.clocks.limits() if self._silence is not None else ()
        moments = (self._timers.first(), self._closing.first(), *limits)
        return min((moment for moment in moments if moment is not None), default=None)

    def flush(self) -> Work:
        """The alerts and rows since the last flush; the journal goes with them whenever there was anything."""
        journal = self._journal
        journal.progress, journal.spoke, journal.reached = self.clocks.snapshot()
        self._rows.put_journal(journal)
        work = Work(self._alerts, self._rows.take_writes())
        self._alerts = []
        return work


def _seam(alert: Alert) -> tuple[str, str, str]:
    return alert.rule, alert.from_channel or "", alert.to_channel or ""
