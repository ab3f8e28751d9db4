"""What the detector says: one alert for the life of a breach, in rising revisions."""

from typing import Literal

import msgspec

from schemas.events import Time

Severity = Literal["critical", "warning", "info"]
Status = Literal["firing", "resolved"]
Phase = Literal["jeopardy", "breach"]
Resolution = Literal["late", "averted", "retracted", "cancelled", "expired"]
"""`late`: it came after the deadline. `averted`: it came in jeopardy, still in time. `retracted`: evidence timed before
the deadline arrived later, so the alert was wrong. `cancelled`: what was owed is no longer owed. `expired`: nothing
came before the case was closed."""


class Subject(msgspec.Struct, frozen=True, gc=False):
    """The thing whose handoff broke: an order, a case, a profile field, a cart, a product, an account, a channel."""

    kind: str
    id: str


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An event the alert rests on, and the record of the channel's own topic (or the row of a file) it came from."""

    event_id: str
    type: str
    channel: str
    time: Time
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None


class Alert(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One revision of an alert. The same `id` with a higher `revision` replaces what was said before."""

    id: str
    """UUIDv5 of rule, customer, subject and episode."""
    revision: int
    status: Status
    phase: Phase
    resolution: Resolution | None = None
    rule: str
    rule_version: int
    name: str
    severity: Severity
    customer: str
    """The customer's id; no other personal data leaves the detector."""
    subject: Subject
    episode: str
    """Tells one breach of a subject from its next: what began it, in the rule's own words (a time, a place)."""
    from_channel: str | None = None
    to_channel: str | None = None
    location: str | None = None
    audience: str
    summary: str
    expected: str
    due: Time
    """The moment by which it should have happened, or at which it should not have."""
    cause: str | None = None
    action: str
    savable_until: Time | None = None
    """The last moment at which the customer can still be served as promised."""
    runbook: str
    starts_at: Time
    """When the first phase that fired began, in event time."""
    ends_at: Time | None = None
    late_seconds: float | None = None
    evidence: tuple[Evidence, ...] = ()
