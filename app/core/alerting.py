"""From a claim's stages to the revisions of its alert: what to say next, given what was said last."""

from collections.abc import Iterator
from uuid import UUID, uuid5

import msgspec

from app.core.claim import Claim, Stage, verdict
from app.core.rule import Rule
from schemas.alerts import Alert, Evidence, Subject
from schemas.codec import event_type, to_time
from schemas.state import Fact

NAMESPACE = UUID("6c0f3f0e-7a58-5d0b-9f0c-3d1c6f6a1d52")

_LONGEST = 500
"""Characters of a word in a sentence."""


class Who(msgspec.Struct, frozen=True, gc=False):
    """Whose case it is."""

    customer: str
    kind: str
    id: str


def revisions(rule: Rule, who: Who, claim: Claim, last: Alert | None, mark: int) -> Iterator[Alert]:
    """The revisions still to be said of this claim, in their order.

    What an alert says follows from its claim and clock alone; what was said before decides only what is left to say.
    """
    stages = verdict(claim, mark)
    if last is not None and last.phase not in [stage.phase for stage in stages]:
        if last.resolution != "retracted":
            yield _retracted(last, claim.end)
        return
    for stage in _unsaid(stages, last, claim.at):
        last = _alert(rule, who, claim, stage, last)
        yield last


def _unsaid(stages: tuple[Stage, ...], last: Alert | None, at: int) -> tuple[Stage, ...]:
    if last is None:
        return stages
    begun = next(index for index, stage in enumerate(stages) if stage.phase == last.phase)
    if last.resolution == "retracted":  # what was wrong has become right after all
        return stages[begun:]
    end, as_due = stages[-1], last.due == to_time(at)
    if end.resolution is None:  # where it was due at another moment than was said, it is said anew
        return stages[begun if last.resolution or not as_due else begun + 1 :]
    return () if as_due and _says(last, end) else stages[begun + 1 :]


def _says(alert: Alert, end: Stage) -> bool:
    """Whether the alert already tells of this end."""
    same = alert.phase == end.phase and alert.resolution == end.resolution
    return same and end.by is not None and alert.ends_at == to_time(end.by.at)


def _retracted(last: Alert, by: Fact | None) -> Alert:
    known = {evidence.event_id for evidence in last.evidence}
    more = (evidence_of(by),) if by is not None and by.id not in known else ()
    return msgspec.structs.replace(
        last,
        revision=last.revision + 1,
        status="resolved",
        resolution="retracted",
        ends_at=to_time(by.at) if by is not None else last.starts_at,
        late_seconds=None,
        evidence=last.evidence + more,
    )


def vanished(last: Alert) -> Alert:
    """The claim no longer follows from the facts: the alert was wrong."""
    return _retracted(last, None)


def expired(last: Alert, at: int) -> Alert:
    """The case is closed (at this moment, ms, or when it began, if that is later) and nothing came."""
    ends_at = max(last.starts_at, to_time(at))
    return msgspec.structs.replace(
        last, revision=last.revision + 1, status="resolved", resolution="expired", ends_at=ends_at
    )


def evidence_of(fact: Fact) -> Evidence:
    """The fact as an alert cites it."""
    topic, partition, offset = fact.origin or (None, None, None)
    return Evidence(fact.id, event_type(fact), fact.channel, to_time(fact.at), topic, partition, offset)


def alert_id(rule: Rule, who: Who, episode: str) -> str:
    """One id for the life of a breach, RFC 9562 version 5. It is of one case: an order whose events came before their
    link, under a customer of their own, has two.
    """
    return str(uuid5(NAMESPACE, f"{rule.id}\0{who.customer}\0{who.kind}\0{who.id}\0{episode}"))


def _alert(rule: Rule, who: Who, claim: Claim, stage: Stage, last: Alert | None) -> Alert:
    words = _words(who, claim)
    say = _Words(words)
    ended = stage.by.at if stage.by is not None else None
    return Alert(
        id=last.id if last is not None else alert_id(rule, who, claim.episode),
        revision=last.revision + 1 if last is not None else 1,
        status="firing" if ended is None else "resolved",
        phase=stage.phase,
        resolution=stage.resolution,
        rule=rule.id,
        rule_version=rule.version,
        name=rule.name,
        severity=claim.severity or rule.severity,
        customer=who.customer,
        subject=_subject(who, claim),
        episode=claim.episode,
        from_channel=words["from_channel"],
        to_channel=words["to_channel"],
        location=claim.location or getattr(claim.trigger.data, "location_id", None),
        audience=rule.audience,
        summary=rule.summary.format_map(say),
        expected=rule.expected.format_map(say),
        due=to_time(claim.at),
        cause=claim.cause,
        action=rule.action.format_map(say),
        savable_until=to_time(claim.savable_until) if claim.savable_until is not None else None,
        runbook=f"app/rules/{rule.name.replace('-', '_')}.md",
        starts_at=to_time(stage.since),
        ends_at=to_time(ended) if ended is not None else None,
        late_seconds=(ended - claim.at) / 1000 if ended is not None and stage.resolution == "late" else None,
        evidence=tuple(evidence_of(fact) for fact in _cited(claim, stage)),
    )


def _cited(claim: Claim, stage: Stage) -> list[Fact]:
    ended_by = () if stage.by is None else (stage.by,)
    facts = {(fact.id, fact.source): fact for fact in (claim.trigger, *claim.evidence, *ended_by)}
    return sorted(facts.values(), key=lambda fact: (fact.at, fact.id, fact.source))


def _subject(who: Who, claim: Claim) -> Subject:
    """Where a case gathers all of a customer, the trigger says what the breach is about."""
    data = claim.trigger.data
    named = who.id or next(
        (v for f in ("order_id", "case_id", "request_id", "product") if (v := getattr(data, f, None))), ""
    )
    order = who.kind == "basket" and getattr(data, "order_id", None)
    return Subject("order", order) if order else Subject(who.kind, named)


class _Words(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def _words(who: Who, claim: Claim) -> dict[str, str]:
    fields = msgspec.structs.asdict(claim.trigger.data)
    words = {name: str(value) for name, value in fields.items() if value is not None}
    location = claim.location or words.get("location_id")
    words |= {
        "subject": f"{who.kind} {who.id}".strip(),
        "channel": claim.trigger.channel,
        "from_channel": claim.from_channel or claim.trigger.channel,
        "to_channel": claim.to_channel or claim.trigger.channel,
        "location": location or "?",
        "at_location": f" at {location}" if location else "",
        "due": f"{to_time(claim.at):%Y-%m-%d %H:%M} UTC",
    }
    return {name: _short(word) for name, word in (words | claim.words).items()}


def _short(word: str) -> str:
    """A sentence says again what events say, and more than once."""
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"
