"""What the demo came to: what was said, by rule, and how it agrees with what the simulator knows to be true."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from app.rules import RULES
from app.simulate import Score, Truth, check
from schemas.alerts import Alert
from schemas.rejects import Reject

_HEADINGS = ("risk", "fired", "late", "avert", "retr", "canc", "expir", "open")
_RESOLUTIONS = ("late", "averted", "retracted", "cancelled", "expired")


class Summary(msgspec.Struct, frozen=True):
    """Figures of one demo."""

    score: Score
    sent: int
    rejects: int
    rejects_expected: int
    skipped: int
    skipped_expected: int
    jeopardy: Counter[str]
    fired: Counter[str]
    resolved: Counter[tuple[str, str]]
    firing: Counter[str]

    @property
    def perfect(self) -> bool:
        """All breaches found, none missed, none invented; rejects and skips as expected. What is read again after a
        rebalance is counted as skipped again.
        """
        counted = self.rejects == self.rejects_expected and self.skipped >= self.skipped_expected
        return self.score.perfect and counted

    def as_json(self) -> dict[str, Any]:
        """The summary as `--summary` writes it."""
        return {
            "records": self.sent,
            "found": self.score.found,
            "missed": len(self.score.missed),
            "false": len(self.score.false),
            "spared": self.score.spared,
            "rejects": {"found": self.rejects, "expected": self.rejects_expected},
            "skipped": {"found": self.skipped, "expected": self.skipped_expected},
            "rules": {rule.id: self._rule(rule.id, rule.name) for rule in RULES},
        }

    def _rule(self, rule: str, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "jeopardy": self.jeopardy[rule],
            "fired": self.fired[rule],
            "resolved": {resolution: self.resolved[rule, resolution] for resolution in _RESOLUTIONS},
            "firing": self.firing[rule],
        }

    def print(self, console: Console) -> None:
        """The summary for a person."""
        table = Table("rule", box=None, pad_edge=False)
        for heading in _HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        for rule in RULES:
            figures = [self.jeopardy[rule.id], self.fired[rule.id]]
            figures += [self.resolved[rule.id, resolution] for resolution in _RESOLUTIONS]
            figures += [self.firing[rule.id]]
            table.add_row(f"{rule.id} {rule.name}", *(str(n) if n else "·" for n in figures))
        console.print(
            "\nBy rule: alerts at risk before a deadline, breaches fired, how alerts were resolved, still open"
        )
        console.print(table)
        console.print(
            f"\n{self.sent:,} records; {self.rejects} of {self.rejects_expected} unreadable ones are in "
            f"handoff.rejects, {self.skipped} of {self.skipped_expected} of an unknown type were skipped"
        )
        score = self.score
        console.print(
            f"against the simulator's own labels: found {score.found}, missed {len(score.missed)}, "
            f"false {len(score.false)}",
            style="bold green" if self.perfect else "bold red",
        )
        for word, labels in (("missed", score.missed), ("false", score.false)):
            for label in labels[:20]:
                console.print(
                    f"  {word}: {label.rule} {label.kind} {label.subject} of {label.customer}: {label.outcome}"
                )


def summarise(
    truth: Truth,
    revisions: Sequence[Alert],
    sent: int,
    rejects: Iterable[Reject],
    metrics: Mapping[str, Sequence[float]],
) -> Summary:
    """Counts what was said, and of the rejects different records; skips are as the worker's metrics tell."""
    last = {alert.id: alert for alert in revisions}
    unique = {(alert.id, alert.revision): alert for alert in revisions}.values()
    return Summary(
        score=check(truth.labels, last.values()),
        sent=sent,
        rejects=len({(reject.topic, reject.partition, reject.offset) for reject in rejects}),
        rejects_expected=sum(truth.rejects.values()),
        skipped=round(sum(metrics.get("handoff_skipped_records_total", ()))),
        skipped_expected=sum(truth.skipped.values()),
        jeopardy=Counter(a.rule for a in unique if a.status == "firing" and a.phase == "jeopardy"),
        fired=Counter(a.rule for a in unique if a.status == "firing" and a.phase == "breach"),
        resolved=Counter((a.rule, str(a.resolution)) for a in last.values() if a.resolution),
        firing=Counter(a.rule for a in last.values() if a.status == "firing"),
    )
