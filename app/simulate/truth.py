"""What is true of a simulated day, known because it was made so, and how well a detector's alerts agree with it."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from schemas.alerts import Alert

Outcome = Literal["firing", "late", "averted", "retracted", "cancelled", "expired"]
"""How the alert of a breach stands at the end of the day."""


class Label(msgspec.Struct, frozen=True, order=True):
    """One breach that was made."""

    rule: str
    kind: str
    """The kind of its subject, as an alert names it."""
    subject: str
    customer: str
    """Empty where a breach is a channel's own."""
    outcome: Outcome


class Truth(msgspec.Struct):
    """What the records drawn so far come to."""

    labels: list[Label] = []
    events: int = 0
    """Different canonical events; one that is sent twice counts once."""
    repeated: int = 0
    """Records that are an earlier record sent again."""
    late: int = 0
    """Records sent later than their channel's lateness allows."""
    rejects: dict[str, int] = {}
    """Topic → records that cannot be read."""
    skipped: dict[str, int] = {}
    """Topic → records of no type of the vocabulary."""


class RuleScore(msgspec.Struct, frozen=True):
    """The score of one rule."""

    found: int = 0
    missed: int = 0
    false: int = 0


class Score(msgspec.Struct, frozen=True):
    """Labels held against alerts."""

    found: int
    missed: tuple[Label, ...]
    """Breaches of which no alert speaks, or speaks otherwise."""
    false: tuple[Label, ...]
    """Alerts of which no label knows, in the words of labels."""
    spared: int
    """Of those found, alarms that would have been retracted, had they not been spared altogether: the evidence came
    late, and yet before anybody had judged."""
    rules: dict[str, RuleScore]

    @property
    def perfect(self) -> bool:
        return not self.missed and not self.false


def check(labels: Iterable[Label], alerts: Iterable[Alert]) -> Score:
    """Holds the last revision of each alert against the labels; either may come in any order."""
    truth, said = Counter(labels), Counter(map(_label, _last(alerts)))
    missed = truth - said
    spared = Counter({label: n for label, n in missed.items() if label.outcome == "retracted"})
    missed -= spared
    false = said - truth
    found = truth - missed
    per_rule = {
        rule: RuleScore(_of(rule, found), _of(rule, missed), _of(rule, false))
        for rule in sorted({label.rule for label in (*truth, *said)})
    }
    return Score(
        found.total(), tuple(sorted(missed.elements())), tuple(sorted(false.elements())), spared.total(), per_rule
    )


def _last(alerts: Iterable[Alert]) -> Iterable[Alert]:
    last: dict[str, Alert] = {}
    for alert in alerts:
        if alert.id not in last or last[alert.id].revision < alert.revision:
            last[alert.id] = alert
    return last.values()


def _label(alert: Alert) -> Label:
    return Label(alert.rule, alert.subject.kind, alert.subject.id, alert.customer, alert.resolution or "firing")


def _of(rule: str, labels: Counter[Label]) -> int:
    return sum(n for label, n in labels.items() if label.rule == rule)
