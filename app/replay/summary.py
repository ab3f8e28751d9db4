"""What a replay came to: as JSON for programs, in words for people."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from app.core.rule import Rule
from schemas.alerts import Alert, Resolution

_RESOLUTIONS: tuple[Resolution, ...] = ("late", "retracted", "cancelled", "expired", "averted")


class Outcomes:
    """Each alert counted once, by what has been said of it last."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = sorted(rules, key=lambda rule: rule.id)
        self._last: dict[str, tuple[str, str | None]] = {}
        self._breached: dict[str, set[str]] = {rule.id: set() for rule in self._rules}
        self._warned: dict[str, set[str]] = {rule.id: set() for rule in self._rules}

    def said(self, alert: Alert) -> None:
        """A revision was emitted."""
        self._last[alert.id] = (alert.rule, alert.resolution)
        (self._breached if alert.phase == "breach" else self._warned)[alert.rule].add(alert.id)

    def by_rule(self, unheard: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, Any]]:
        """Rule id → name, breaches fired, jeopardies, alerts resolved by resolution, alerts still firing; and what it
        did not judge (`app.replay.unheard`).
        """
        ends = Counter(self._last.values())
        return {
            rule.id: {
                "name": rule.name,
                "fired": len(self._breached[rule.id]),
                "jeopardy": len(self._warned[rule.id]),
                "resolved": {resolution: ends[rule.id, resolution] for resolution in _RESOLUTIONS},
                "firing": ends[rule.id, None],
                "unheard": dict(sorted(unheard.get(rule.id, {}).items())),
            }
            for rule in self._rules
        }


def rules_table(by_rule: dict[str, dict[str, Any]]) -> Table:
    """The rules that said anything."""
    table = Table("rule", "", title="Alerts", title_justify="left", box=None, pad_edge=False)
    for column in ("fired", "jeopardy", *_RESOLUTIONS, "firing"):
        table.add_column(column, justify="right")
    for rule, of in by_rule.items():
        numbers = [of["fired"], of["jeopardy"], *of["resolved"].values(), of["firing"]]
        if any(numbers):
            table.add_row(rule, of["name"], *(f"{number:,}" if number else "·" for number in numbers))
    return table


def unheard_lines(by_rule: dict[str, dict[str, Any]]) -> Sequence[str]:
    """The rules that did not judge what channels owe that nobody hears, in words."""
    return [
        f"{rule} {of['name']} is not judged for {_many(count, 'event')}: {_have_no_topic(owing.split('+'))}"
        for rule, of in by_rule.items()
        for owing, count in of["unheard"].items()
    ]


def _have_no_topic(owing: Sequence[str]) -> str:
    if len(owing) == 1:
        return f"{owing[0]} owes it, and has no topic"
    return f"{', '.join(owing[:-1])} or {owing[-1]} owes it, and none of them has a topic"


def events_lines(events: dict[str, Any], seconds: float) -> Sequence[str]:
    """What was read, in words."""
    pace = f", {events['read'] / seconds:,.0f} events/s" if seconds > 0 else ""
    lines = [f"{_many(events['rows'], 'row')}: {_many(events['read'], 'event')}, "]
    lines[0] += f"{_many(events['skipped'], 'row')} skipped, "
    lines[0] += f"{_many(events['rejected'], 'row')} rejected; {seconds:.1f} s{pace}"
    lines += _skipped_lines(events["skipped_by_reason"], events["skipped"])
    lines += [f"  rejected {count:,} at {stage}" for stage, count in events["rejected_by_stage"].items()]
    missing = {**events["missing_columns"], **events["missing_paths"]}
    lines += [f"  {where}: {words}" for where, of in missing.items() for words in of]
    for word in ("duplicates", "repeated", "late", "provisional", "beyond_until", "evicted"):
        if events[word]:
            lines.append(f"  {events[word]:,} {_MEANING[word]}")
    lines += [
        f"  {fault} {_many(times, 'time')}: its alerts are incomplete" for fault, times in events["raised"].items()
    ]
    return lines


def _skipped_lines(by_reason: dict[str, int], skipped: int) -> Sequence[str]:
    shown = list(by_reason.items())[:_SHOWN]
    lines = [f"  skipped {count:,}: {reason}" for reason, count in shown]
    rest = skipped - sum(count for _, count in shown)
    return [*lines, f"  skipped {rest:,} for other reasons"] if rest else lines


def nothing_read(events: dict[str, Any]) -> str | None:
    """Why a recording gave no event at all, in words; None where it gave some, or where its end was too early."""
    if events["read"] or events["beyond_until"]:
        return None
    if not events["rows"]:
        return "nothing was replayed: there is not one row"
    reasons = [*events["rejected_by_reason"].items(), *events["skipped_by_reason"].items()]
    reasons.sort(key=lambda item: -item[1])
    told = "; ".join(f"{_many(count, 'row')}: {reason}" for reason, count in reasons[:_REASONS])
    return f"nothing was replayed: no row gives an event; {told or 'they are ticks'}"


_REASONS = 3
_SHOWN = 5
_MEANING = {
    "duplicates": "repetitions of what a case knew already",
    "repeated": "events at or below what was taken of their origin",
    "late": "events later than their channel's lateness; --order time sorts them",
    "provisional": "events whose customer is unknown",
    "beyond_until": "events after the end that was asked for",
    "evicted": "facts, alerts or cases given up to keep within the limits",
}


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
