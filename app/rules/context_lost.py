"""H402: the customer changed channels, and found another cart than the one they had left."""

from collections.abc import Iterator, Sequence

from app.core.patterns.agreement import Agreement, Disagreement
from app.core.rule import On, Rule, iso
from schemas.events import SessionHandedOff, SessionResumed
from schemas.state import Fact


def _left(resumed: Fact, known: Sequence[Fact]) -> Fact | None:
    """The latest hand-off to this channel; none where that or the resume names no digest."""
    handed = [f for f in known if isinstance(f.data, SessionHandedOff) and f.data.to_channel == resumed.channel]
    if not handed or None in (handed[-1].data.digest, resumed.data.digest):
        return None
    return handed[-1]


def _another_cart(resumed: Fact, known: Sequence[Fact]) -> Iterator[Disagreement]:
    """Once the cart was resumed whole it belongs to the new channel, and may change there."""
    left = _left(resumed, known)
    if left is None or resumed.data.digest == left.data.digest:
        return
    if not any(_is_whole(f, left) for f in known if f.at < resumed.at and f.channel == resumed.channel):
        yield Disagreement(with_fact=left, episode=iso(left.at))


def _is_whole(fact: Fact, left: Fact) -> bool:
    return isinstance(fact.data, SessionResumed) and fact.at >= left.at and bool(fact.data.digest == left.data.digest)


def _there(resumed: Fact, _: Disagreement, later: Fact) -> bool:
    return later.channel == resumed.channel


RULE = Rule(
    id="H402",
    name="context-lost",
    severity="warning",
    about="cart",
    audience="digital team",
    pattern=Agreement(
        said=(On(SessionResumed),),
        known=(On(SessionHandedOff), On(SessionResumed)),
        differs=_another_cart,
        righted_by=(On(SessionResumed),),
        rights=_there,
        comparable=lambda resumed, known: _left(resumed, known) is not None,
    ),
    expected="{channel} goes on with {subject} as {from_channel} handed it over",
    summary="{channel} resumed {subject} with other contents than {from_channel} had handed over",
    action="Restore the cart that was handed over, and offer the customer help to finish the purchase",
)
