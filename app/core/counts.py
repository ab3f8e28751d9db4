"""What a partition counts, as plain integers: whoever shows them reads them when asked."""

from collections import Counter

from app.core.clocks import Clocks
from app.core.engine import Step
from schemas.alerts import Alert
from schemas.codec import to_ms
from schemas.state import Fact


class Counts:
    """Counters since the start, by rule and channel, never by customer; partitions of one process share them."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        """Channel → events taken."""
        self.late: Counter[str] = Counter()
        """Channel → events timed before their own channel's watermark."""
        self.ticks = 0
        self.skipped = 0
        """Records of a type that is not in the vocabulary."""
        self.rejected = 0
        """Records that could not be read."""
        self.repeated = 0
        """Records that stood at or below what was taken of their origin."""
        self.duplicates = 0
        """Events that their case knew already."""
        self.evicted: Counter[str] = Counter()
        """What a cap took: `facts`, `alerts`, `cases`."""
        self.closed = 0
        self.raised: Counter[tuple[str, str]] = Counter()
        """Rule, and what it raised where → how often; as few as there are places in the rules for it."""
        self._told = 0
        self.fired: Counter[tuple[str, str, str, str]] = Counter()
        """Rule, phase, from and to channel → alerts that entered the phase."""
        self.resolved: Counter[tuple[str, str, str, str]] = Counter()
        """Rule, resolution, from and to channel → alerts that were resolved so."""
        self.delay_ms: Counter[str] = Counter()
        """Rule → sum over breaches of the time from the deadline until it was noticed."""

    def heard(self, fact: Fact, clocks: Clocks) -> None:
        """One event was taken."""
        self.events[fact.channel] += 1
        if fact.at < clocks.marks.get(fact.channel, -1):
            self.late[fact.channel] += 1

    def stepped(self, step: Step, clocks: Clocks) -> None:
        """One case was stepped."""
        self.closed += step.closed
        if step.evicted:
            self.evicted["facts"] += step.evicted
        if step.forgotten:
            self.evicted["alerts"] += step.forgotten
        for rule, fault in step.errors:
            self.raised[rule, fault] += 1
        for alert in step.alerts:
            self._said(alert, clocks)

    @property
    def errors(self) -> Counter[str]:
        """Rule → steps in which it raised."""
        found: Counter[str] = Counter()
        for (rule, _), times in self.raised.items():
            found[rule] += times
        return found

    def untold(self) -> list[tuple[str, str]]:
        """Rule, and what it raised where, of what was counted for the first time since this was last asked."""
        new = list(self.raised)[self._told :]
        self._told = len(self.raised)
        return new

    def _said(self, alert: Alert, clocks: Clocks) -> None:
        seam = (alert.from_channel or "", alert.to_channel or "")
        if alert.resolution is not None:
            self.resolved[alert.rule, alert.resolution, *seam] += 1
            return
        self.fired[alert.rule, alert.phase, *seam] += 1
        if alert.phase == "breach":
            self.delay_ms[alert.rule] += max(0, clocks.now() - to_ms(alert.due))


class LinkCounts:
    """Counters since the start; partitions of one process share them."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        """Channel → events that lacked something."""
        self.linked = 0
        """Events that went on to a customer that was known."""
        self.provisional = 0
        """Events that went on under a customer of their own."""
        self.parked = 0
        """Events that had to wait."""
        self.let_go: Counter[str] = Counter()
        """Why events went on before all was known: `wait`, `parked_each`, `parked`."""
        self.repeated = 0
        """Events that stood at or below what was taken of their origin."""
        self.shared = 0
        """Identifiers that began to lead to too many."""
        self.told = 0
        self.forgotten = 0
        self.skipped = 0
        """Records of a type that is not in the vocabulary."""
        self.rejected = 0
        """Records that could not be read."""
