"""A silent feed: one alert for the channel, and no verdict on what hangs on it."""

import msgspec
import pytest

from app.compose import all_feeds
from app.core.clocks import Feed
from app.core.rule import HOUR, MINUTE
from app.rules import channel_silent, order_not_visible
from app.timeline import START, mismatches, read_page, run, transcript
from schemas.codec import TickData, to_time
from schemas.state import Progress
from tests.recordings import Player, by_id, tick

BOTH = (channel_silent.RULE, order_not_visible.RULE)
PAGE = """### Three orders hang on a pickup desk that goes quiet
```timeline fires
given pickup.patience=30m
 0:00 pickup order.visible order_id=o1 location_id=s1
 0:00 tick
 5:00 web order.placed order_id=o2 fulfilment=pickup location_id=s1
 5:00 web order.placed order_id=o3 fulfilment=pickup location_id=s1
 5:00 web order.placed order_id=o4 fulfilment=pickup location_id=s1 customer=c2
29:00 tick
31:00 tick     # firing H501 pickup
 9:00 pickup order.visible order_id=o2 location_id=s1
44:00 pickup order.visible order_id=o3 location_id=s1
44:00 tick     # resolved H501 pickup late; firing H101 o3; resolved H101 o3 late; firing H101 o4
```
"""


def test_what_hangs_on_a_silent_channel_settles_or_fires_when_it_speaks() -> None:
    said = run(read_page(PAGE)[0], BOTH)
    assert not mismatches(said), "\n" + transcript(said)


def test_a_state_put_away_in_a_silence_neither_forgets_nor_repeats_it() -> None:
    straight, resumed = (run(read_page(PAGE)[0], BOTH, resumed=resumed) for resumed in (False, True))
    assert [line.alerts for line in straight] == [line.alerts for line in resumed]


def test_an_alert_of_a_silence_names_the_channel_and_no_customer() -> None:
    alerts = [alert for line in run(read_page(PAGE)[0], BOTH) for alert in line.alerts if alert.rule == "H501"]
    assert len(by_id(alerts)) == 1
    firing, resolved = alerts
    assert (firing.subject.kind, firing.subject.id, firing.customer) == ("channel", "pickup", "")
    assert firing.summary == "The feed of pickup has said nothing since 2026-03-02 09:00 UTC"
    assert firing.starts_at == firing.due
    assert resolved.late_seconds == 14 * 60


def test_a_feed_that_comes_back_with_a_backlog_is_silent_until_it_has_caught_up() -> None:
    """However many ticks see a part of it."""
    backlog = (f"0:{m:02}:00 pickup order.ready order_id=o{m}\n3:00:00 tick" for m in range(5, 60, 5))
    lines = (
        "### Back after three hours\n```timeline late\ngiven pickup.patience=1h",
        "0:00 pickup order.visible order_id=o1\n3:00:00 tick",
        *backlog,
        "3:00:00 pickup order.ready order_id=o60\n3:00:00 tick\n```\n",
    )
    spoken = [what for line in run(read_page("\n".join(lines))[0], BOTH) for what in line.spoken]
    assert spoken == ["firing H501 pickup", "resolved H501 pickup late"]


def feeds_with(patience: int | None) -> list[Feed]:
    """All feeds, none of which may be silent but the desk's, which has this patience."""
    return [msgspec.structs.replace(f, patience_ms=patience if f.channel == "pickup" else None) for f in all_feeds()]


def silent_desk() -> Player:
    """A desk that has been silent for an hour, of which half was its patience."""
    player = Player([channel_silent.RULE])
    player.resume(feeds_with(30 * MINUTE))
    spoke = tuple(Progress(feed.channel, feed.channel, 0, 1, START, START) for feed in all_feeds())
    player.feed("", TickData(spoke))
    player.feed("", tick(START + HOUR))
    assert [(alert.subject.id, alert.status) for alert in player.alerts] == [("pickup", "firing")]
    return player


@pytest.mark.parametrize(
    "feeds",
    [feeds_with(None), [feed for feed in all_feeds() if feed.channel != "pickup"]],
    ids=["may be silent now", "has no feed any more"],
)
def test_a_silence_that_nobody_watches_any_more_expires(feeds: list[Feed]) -> None:
    player = silent_desk()
    player.resume(feeds)
    player.feed("", tick(START + HOUR))
    player.feed("", tick(START + 2 * HOUR))
    assert [(alert.revision, alert.resolution) for alert in player.alerts] == [(1, None), (2, "expired")]
    assert player.partition.firing.total() == 0


def test_a_silence_expires_where_its_rule_was_turned_off() -> None:
    without = Player([order_not_visible.RULE])
    without.rows = silent_desk().rows
    without.resume()
    without.feed("", tick(START + HOUR))
    assert [(alert.revision, alert.resolution) for alert in without.alerts] == [(2, "expired")]


def test_a_silence_within_a_longer_patience_was_none() -> None:
    player = silent_desk()
    player.resume(feeds_with(2 * HOUR))
    player.feed("", tick(START + HOUR))
    player.feed("", tick(START + 90 * MINUTE))
    assert [(alert.revision, alert.resolution) for alert in player.alerts] == [(1, None), (2, "retracted")]


def test_a_silence_that_outlasts_the_longer_patience_too_is_the_same_again() -> None:
    player = silent_desk()
    player.resume(feeds_with(2 * HOUR))
    player.feed("", tick(START + HOUR))
    player.feed("", tick(START + 3 * HOUR))
    assert [(alert.revision, alert.resolution) for alert in player.alerts] == [(1, None), (2, "retracted"), (3, None)]
    assert len(by_id(player.alerts)) == 1
    assert player.alerts[-1].due == to_time(START + 2 * HOUR)
