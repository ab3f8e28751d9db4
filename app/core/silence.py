"""A feed that says nothing for longer than its patience: one alert for the channel, whatever hangs on it.

The only verdict that rests on the clocks themselves and not on facts, and so the only one outside the engine.
"""

from collections.abc import Iterable, Mapping

import msgspec

from app.core.alerting import Who, alert_id, vanished
from app.core.claim import Claim
from app.core.clocks import Clocks
from app.core.engine import Step, say
from app.core.facts import Facts
from app.core.rule import Rule, Shortcut, View, iso
from schemas.alerts import Alert, Subject
from schemas.codec import to_ms, to_time
from schemas.events import Data
from schemas.state import Case


class NoFacts(msgspec.Struct, frozen=True):
    """The pattern of a rule about channels: no fact tells of a silence."""

    listens: frozenset[type[Data]] = frozenset()
    needs: tuple[frozenset[type[Data]], ...] = ()

    def shortcuts(self, view: View) -> Mapping[type[Data], Shortcut]:  # noqa: ARG002
        """None: there is nothing to spare."""
        return {}

    def claims(self, facts: Facts, view: View) -> Iterable[Claim]:  # noqa: ARG002
        """None, ever."""
        return ()


class Silence(msgspec.Struct, frozen=True):
    """Watches every channel that has a patience, on behalf of one rule."""

    rule: Rule

    def concerned(self, clocks: Clocks) -> list[str]:
        """The channels that can be silent at all."""
        return sorted(channel for channel in clocks.heard if self.watches(channel, clocks))

    def watches(self, channel: str, clocks: Clocks) -> bool:
        """Whether this is a channel with a patience."""
        feed = clocks.feeds.get(channel)
        return feed is not None and bool(feed.patience_ms)

    def step(self, channel: str, case: Case, clocks: Clocks) -> Step:
        """Says what is to be said now; the case holds what was said last.

        A feed that comes back tells first what is long past, piece by piece: until it has come within its patience, it
        is the same silence still. To end it at the first old word, and begin another, would be an alert for each tick.
        Where the patience has become longer, what is within it now was no silence.
        """
        step = Step()
        last, spoke = case.alerts.get(self.rule.id), clocks.spoke[channel]
        limit = clocks.silent().get(channel)
        if last is not None and last.status == "firing":
            if limit is None and spoke > int(last.episode):
                say(case, self.rule.id, self._spoke(last, spoke), step)
            elif limit is None and spoke + (clocks.feeds[channel].patience_ms or 0) > to_ms(last.due):
                say(case, self.rule.id, vanished(last), step)
        elif limit is not None:
            say(case, self.rule.id, self._silent(channel, limit, clocks, last), step)
        return step

    def _silent(self, channel: str, limit: int, clocks: Clocks, last: Alert | None) -> Alert:
        rule, spoke = self.rule, clocks.spoke[channel]
        words = {"channel": channel, "due": _minute(limit), "spoke": _minute(spoke)}
        name = alert_id(rule, Who("", "channel", channel), iso(spoke))
        return Alert(
            id=name,
            revision=last.revision + 1 if last is not None and last.id == name else 1,
            status="firing",
            phase="breach",
            rule=rule.id,
            rule_version=rule.version,
            name=rule.name,
            severity=rule.severity,
            customer="",
            subject=Subject("channel", channel),
            episode=iso(spoke),
            from_channel=channel,
            audience=rule.audience,
            summary=rule.summary.format_map(words),
            expected=rule.expected.format_map(words),
            due=to_time(limit),
            action=rule.action.format_map(words),
            runbook=f"app/rules/{rule.name.replace('-', '_')}.md",
            starts_at=to_time(limit),
        )

    @staticmethod
    def _spoke(last: Alert, spoke: int) -> Alert:
        """What was said within the patience and only heard after it shows that the feed was slow, not silent."""
        ends_at = to_time(spoke)
        late = (ends_at - last.due).total_seconds()
        return msgspec.structs.replace(
            last,
            revision=last.revision + 1,
            status="resolved",
            resolution="late" if late > 0 else "retracted",
            ends_at=ends_at,
            late_seconds=late if late > 0 else None,
        )


def _minute(at: int) -> str:
    return f"{to_time(at):%Y-%m-%d %H:%M} UTC"
