"""A silent feed: one alert for the channel, and no verdict on what hangs on it."""

from app.rules import channel_silent, order_not_visible
from app.timeline import mismatches, read_page, run, transcript
from tests.recordings import by_id

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
