"""A claim is what a rule makes of the facts: something was owed by a moment, or must not have happened at one.

Claims are derived anew from the facts whenever one is added, never changed: so events that come twice or out of order
need no care of the rules. What may be said of a claim depends on the claim and its clock alone (`verdict`).
"""

from typing import NamedTuple

import msgspec

from app.core.clocks import NOW
from schemas.alerts import Phase, Resolution, Severity
from schemas.state import Fact


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One obligation of one subject, with what is known of its fate."""

    episode: str
    trigger: Fact
    at: int
    """The deadline, ms. Kept where it is met or excused at or before it; broken once its clock has passed it."""
    clock: str = NOW
    warn_at: int | None = None
    """The moment (ms) at which it is in jeopardy."""
    met: Fact | None = None
    excused: Fact | None = None
    evidence: tuple[Fact, ...] = ()
    cause: str | None = None
    severity: Severity | None = None
    from_channel: str | None = None
    to_channel: str | None = None
    location: str | None = None
    savable_until: int | None = None
    words: dict[str, str] = {}
    """For the sentences of the alert, beside the fields of the trigger."""

    @property
    def end(self) -> Fact | None:
        """What kept, broke off or made good what was owed; whichever came first."""
        met, excused = self.met, self.excused
        if met is None or excused is None:
            return met or excused
        return met if met.at <= excused.at else excused

    @property
    def first(self) -> int:
        """The first moment, ms, after which there may be something to say."""
        return first_moment(self.at, self.warn_at)

    @property
    def kept(self) -> bool:
        """Whether it ended in time for there to be nothing to say of it, ever."""
        if self.met is None and self.excused is None:
            return False
        end = self.end
        return end is not None and end.at <= self.first


def first_moment(at: int, warn_at: int | None) -> int:
    """When (ms) there may first be something to say of a deadline: at jeopardy, or else at the deadline itself."""
    return at if warn_at is None or warn_at > at else warn_at


class Stage(NamedTuple):
    """One revision that a claim has earned."""

    phase: Phase
    since: int
    """When the first phase of the alert began, ms."""
    resolution: Resolution | None = None
    by: Fact | None = None


def verdict(claim: Claim, mark: int) -> tuple[Stage, ...]:
    """The stages of a claim in their order, as far as its clock allows to say: none, jeopardy, breach, resolved.

    What came after the deadline resolves nothing before its clock has passed the deadline: the breach comes first.
    """
    end = claim.end
    stages: list[Stage] = []
    warn_at = claim.warn_at
    if warn_at is not None and warn_at < claim.at and mark > warn_at and (end is None or end.at > warn_at):
        stages.append(Stage("jeopardy", warn_at))
    if mark > claim.at and (end is None or end.at > claim.at):
        stages.append(Stage("breach", stages[0].since if stages else claim.at))
    if stages and end is not None and (mark > claim.at or end.at <= claim.at):
        stages.append(Stage(stages[-1].phase, stages[-1].since, _resolution(claim, end), end))
    return tuple(stages)


def _resolution(claim: Claim, end: Fact) -> Resolution:
    if end is claim.excused:
        return "cancelled"
    return "late" if end.at > claim.at else "averted"


def next_look(claim: Claim, mark: int) -> int | None:
    """The moment (ms) on the claim's clock after which it must be looked at again; none where it is settled."""
    end, at, warn_at = claim.end, claim.at, claim.warn_at
    if warn_at is not None and warn_at < at and mark <= warn_at and (end is None or end.at > warn_at):
        return warn_at
    return at if mark <= at and (end is None or end.at > at) else None
