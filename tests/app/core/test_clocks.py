"""Watermarks: how far each channel has been heard."""

import pytest

from app.core.clocks import ALL, ALWAYS, NEVER, NOW, Clocks, Feed
from schemas.state import Progress

WEB = Feed("web", ("orders", "baskets"), lateness_ms=10)
PICKUP = Feed("pickup", ("desk",))
PATIENT = Feed("chat", ("chat",), patience_ms=100)


def heard(channel: str, topic: str, at: int, spoke: int | None = None, *, partition: int = 0, of: int = 1) -> Progress:
    return Progress(channel, topic, partition, of, at, spoke)


def clocks(*progress: Progress, feeds: tuple[Feed, ...] = (WEB, PICKUP, PATIENT)) -> Clocks:
    made = Clocks(feeds)
    for one in progress:
        made.hear([one])
    return made


def test_a_channel_is_heard_as_far_as_the_least_of_its_partitions_less_its_lateness() -> None:
    first, second = heard("web", "orders", 500, of=2), heard("web", "orders", 300, partition=1, of=2)
    assert clocks(first, second, heard("web", "baskets", 400)).read("web") == 290


@pytest.mark.parametrize(
    "progress",
    [
        (),
        (heard("web", "orders", 500),),
        (heard("web", "orders", 500, of=2), heard("web", "baskets", 500)),
    ],
    ids=["nothing", "one of two topics", "one of two partitions"],
)
def test_a_channel_of_which_a_part_was_never_heard_has_passed_nothing(progress: tuple[Progress, ...]) -> None:
    assert clocks(*progress).read("web") == NEVER


def test_two_channels_may_share_a_topic() -> None:
    feeds = (Feed("web", ("sheet",)), Feed("carrier", ("sheet",)))
    shared = clocks(heard("web", "sheet", 500), heard("carrier", "sheet", 300), feeds=feeds)
    assert (shared.read("web"), shared.read("carrier")) == (500, 300)


def test_a_clock_of_several_channels_is_the_slowest_of_them() -> None:
    both = clocks(heard("web", "orders", 500), heard("web", "baskets", 500), heard("pickup", "desk", 300))
    assert both.read("pickup+web") == 300
    assert both.read("pickup@web") == 300
    assert both.read("web@pickup") == 300
    assert both.read(ALL) == 300


def test_the_clock_of_what_the_facts_alone_decide_has_passed_everything() -> None:
    assert clocks().read(NOW) == ALWAYS


def test_a_channel_with_a_patience_is_trusted_as_far_as_it_has_spoken() -> None:
    quiet = clocks(heard("chat", "chat", 90, spoke=40))
    assert quiet.read("chat") == 40
    assert quiet.silent() == {}


@pytest.mark.parametrize(("at", "silent"), [(139, {}), (140, {}), (141, {"chat": 140})])
def test_a_channel_is_silent_once_it_was_read_beyond_its_patience(at: int, silent: dict[str, int]) -> None:
    assert clocks(heard("chat", "chat", at, spoke=40)).silent() == silent


def test_a_channel_is_not_silent_because_of_what_was_read_before_all_of_it_was_heard_of() -> None:
    far, near = heard("chat", "chat", 900, 500, of=2), heard("chat", "chat", 500, 500, partition=1, of=2)
    assert clocks(far, near).silent() == {}


def test_what_was_found_while_the_whole_feed_was_down_proves_nothing_once_it_speaks_again() -> None:
    """Its first partition has spoken of now; of the backlog of the second only a part has been read."""
    down = [heard("chat", "chat", 900, 10, partition=p, of=2) for p in (0, 1)]
    back = clocks(*down, heard("chat", "chat", 900, 900, of=2), heard("chat", "chat", 900, 50, partition=1, of=2))
    assert back.read("chat") == 50
    back.hear([heard("chat", "chat", 901, 50, partition=1, of=2)])
    assert back.read("chat") == 900


def test_a_silent_channel_does_not_hold_back_the_clock_of_all() -> None:
    assert clocks(heard("chat", "chat", 141, spoke=40), heard("pickup", "desk", 300)).read(ALL) == 300


def test_what_would_go_back_is_ignored() -> None:
    assert clocks(heard("pickup", "desk", 500), heard("pickup", "desk", 300)).read("pickup") == 500


def test_a_snapshot_lists_progress_in_the_order_in_which_it_was_first_heard_and_a_resumed_one_the_same() -> None:
    mixed = (
        heard("web", "orders", 500),
        heard("pickup", "desk", 300),
        heard("web", "baskets", 400),
        heard("web", "orders", 600),
    )
    before, _ = clocks(*mixed).snapshot()
    again = clocks()
    again.resume(before, {})
    assert [(p.topic, p.heard) for p in before] == [("orders", 600), ("desk", 300), ("baskets", 400)]
    assert again.snapshot()[0] == before


def test_progress_of_a_channel_that_is_not_configured_moves_no_clock_and_is_kept() -> None:
    stranger = clocks(heard("fax", "fax", 500), heard("pickup", "desk", 300))
    assert stranger.heard == {"pickup": 300}
    assert [p.channel for p in stranger.snapshot()[0]] == ["fax", "pickup"]


def test_the_clocks_of_a_snapshot_are_where_they_were() -> None:
    before = clocks(heard("chat", "chat", 90), heard("pickup", "desk", 300), heard("chat", "chat", 150))
    after = clocks()
    after.resume(*before.snapshot())
    assert after.silent() == before.silent()
    assert [after.read(clock) for clock in ("chat", "pickup", ALL)] == [
        before.read(clock) for clock in ("chat", "pickup", ALL)
    ]
