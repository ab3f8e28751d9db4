"""Watermarks: how far each channel has been heard."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clocks import ALL, ALWAYS, GONE_MS, NEVER, NOW, Clocks, Feed
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


def desk(at: int, *, of: int, partitions: Sequence[int] | None = None, spoke: int | None = None) -> list[Progress]:
    """These partitions (none: all) of the desk's topic, each heard up to here and telling of so many."""
    return [heard("pickup", "desk", at, spoke, partition=p, of=of) for p in partitions or range(of)]


def resumed(before: Clocks, *feeds: Feed) -> Clocks:
    """The clocks as another worker takes them up."""
    made = Clocks(feeds)
    made.resume(*before.snapshot())
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
    told = (heard("web", "orders", 500), heard("web", "baskets", 500), heard("pickup", "desk", 300))
    both = clocks(*told, feeds=(WEB, PICKUP))
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
    both = (PICKUP, PATIENT)
    assert clocks(heard("chat", "chat", 141, spoke=40), heard("pickup", "desk", 300), feeds=both).read(ALL) == 300


def test_the_clock_of_all_waits_for_every_channel_that_has_a_feed() -> None:
    """What is closed stays closed: in a first backfill the events of a slower channel are still to come."""
    fast = clocks(heard("pickup", "desk", 900), feeds=(PICKUP, PATIENT))
    assert fast.read(ALL) == NEVER
    fast.hear([heard("chat", "chat", 50, spoke=50)])
    assert fast.read(ALL) == 50


def test_what_would_go_back_is_ignored() -> None:
    assert clocks(heard("pickup", "desk", 500), heard("pickup", "desk", 300)).read("pickup") == 500


def test_a_snapshot_lists_progress_in_the_order_in_which_it_was_first_heard_and_a_resumed_one_the_same() -> None:
    mixed = (
        heard("web", "orders", 500),
        heard("pickup", "desk", 300),
        heard("web", "baskets", 400),
        heard("web", "orders", 600),
    )
    before = clocks(*mixed)
    progress = before.snapshot()[0]
    assert [(p.topic, p.heard) for p in progress] == [("orders", 600), ("desk", 300), ("baskets", 400)]
    assert resumed(before, WEB, PICKUP, PATIENT).snapshot() == before.snapshot()


@pytest.mark.parametrize(
    "stranger", [heard("fax", "fax", 500), heard("pickup", "old-desk", 200)], ids=["a channel", "a topic"]
)
def test_progress_of_what_is_not_configured_moves_no_clock_and_is_not_kept(stranger: Progress) -> None:
    told = clocks(stranger, heard("pickup", "desk", 300))
    assert told.heard == {"pickup": 300}
    assert [p.topic for p in told.snapshot()[0]] == ["desk"]


def test_the_clocks_of_a_snapshot_are_where_they_were() -> None:
    before = clocks(heard("chat", "chat", 90), heard("pickup", "desk", 300), heard("chat", "chat", 150))
    after = clocks()
    after.resume(*before.snapshot())
    assert after.silent() == before.silent()
    assert [after.read(clock) for clock in ("chat", "pickup", ALL)] == [
        before.read(clock) for clock in ("chat", "pickup", ALL)
    ]


# ---- a topic that is renamed, replaced, enlarged or made smaller


def test_a_topic_under_a_new_name_takes_the_clock_on_from_where_it_was() -> None:
    before = clocks(*desk(100, of=2))
    after = resumed(before, Feed("pickup", ("desk-v2",)))
    assert after.read("pickup") == 100
    after.hear([heard("pickup", "desk-v2", at, partition=p, of=2) for p, at in ((0, 90), (1, 900))])
    assert after.read("pickup") == 100
    after.hear([heard("pickup", "desk-v2", 800, of=2)])
    assert after.read("pickup") == 800
    assert {p.topic for p in after.snapshot()[0]} == {"desk-v2"}


def test_a_feed_under_a_new_name_that_is_silent_is_said_to_be() -> None:
    before = clocks(heard("chat", "chat", 90, spoke=40))
    after = resumed(before, Feed("chat", ("chat-v2",), patience_ms=100))
    after.hear([heard("chat", "chat-v2", 500)])
    assert after.silent() == {"chat": 140}


def test_a_channel_that_has_no_feed_any_more_is_forgotten() -> None:
    before = clocks(heard("chat", "chat", 90), heard("pickup", "desk", 300))
    after = resumed(before, PICKUP)
    assert after.read(ALL) == after.now() == 300
    assert after.snapshot() == clocks(heard("pickup", "desk", 300), feeds=(PICKUP,)).snapshot()


def test_a_topic_that_is_made_smaller_is_heard_as_far_as_the_partitions_it_has_left() -> None:
    """The others are waited for a little: it might be that whoever says so does not know of them yet."""
    smaller = clocks(*desk(100, of=4), *desk(100 + GONE_MS, of=2))
    assert smaller.read("pickup") == 100
    smaller.hear(desk(101 + GONE_MS, of=2, partitions=[1]))
    assert smaller.read("pickup") == 100
    smaller.hear(desk(102 + GONE_MS, of=2, partitions=[0]))
    assert smaller.read("pickup") == 101 + GONE_MS
    assert [p.partition for p in smaller.snapshot()[0]] == [0, 1]


def test_a_topic_that_was_made_smaller_and_grows_again_is_waited_for_again() -> None:
    again = clocks(*desk(100, of=2), *desk(101 + GONE_MS, of=1), *desk(102 + GONE_MS, of=2, partitions=[0]))
    assert again.read("pickup") == 101 + GONE_MS
    again.hear(desk(103 + GONE_MS, of=2))
    assert again.read("pickup") == 103 + GONE_MS


@pytest.mark.parametrize("first", [0, 1])
def test_a_topic_has_as_many_partitions_as_the_most_that_a_reader_knows_of(first: int) -> None:
    """Whoever has not noticed yet that it grew is no reason to pass what stands in its new partition."""
    told = desk(100, of=3, partitions=[first]) + desk(100, of=2, partitions=[1 - first])
    grown = clocks(*told)
    assert grown.read("pickup") == NEVER
    grown.hear(desk(50, of=3, partitions=[2]))
    assert grown.read("pickup") == 50


def test_a_new_partition_that_the_readers_of_the_others_do_not_know_of_is_waited_for() -> None:
    grown = clocks(*desk(100, of=1), *desk(150, of=2, partitions=[1]), *desk(200, of=1))
    assert grown.read("pickup") == 150


def test_a_partition_beyond_the_size_that_is_told_with_it_counts_as_one_of_so_many() -> None:
    assert clocks(*desk(100, of=1, partitions=[0, 1])).read("pickup") == 100
    assert clocks(*desk(100, of=1, partitions=[1])).read("pickup") == NEVER


# ---- none ever goes back, whatever a worker finds changed when it starts


def test_clocks_that_were_put_away_without_how_far_they_had_come_are_told_it_by_their_progress() -> None:
    before = clocks(*desk(500, of=2), heard("chat", "chat", 90, spoke=40))
    progress, spoke, _ = before.snapshot()
    after = clocks()
    after.resume(progress, spoke, {})
    assert after.snapshot() == before.snapshot()


def test_a_partition_first_heard_further_back_takes_no_clock_back_when_it_is_taken_up() -> None:
    before = clocks(*desk(500, of=1, spoke=500), *desk(200, of=2, partitions=[1], spoke=200), feeds=(PICKUP,))
    after = resumed(before, PICKUP)
    assert (after.read("pickup"), after.read(ALL), after.read_to) == (500, 500, {"pickup": 500})


def test_a_lateness_that_is_raised_takes_no_clock_back() -> None:
    after = resumed(clocks(heard("pickup", "desk", 500)), Feed("pickup", ("desk",), lateness_ms=100))
    assert after.read("pickup") == 500
    after.hear([heard("pickup", "desk", 599)])
    assert after.read("pickup") == 500
    after.hear([heard("pickup", "desk", 601)])
    assert after.read("pickup") == 501


def test_a_topic_that_is_added_leaves_the_clock_where_it_is_until_it_was_heard_as_far() -> None:
    after = resumed(clocks(heard("pickup", "desk", 500)), Feed("pickup", ("desk", "bay")))
    assert after.read("pickup") == 500
    after.hear([heard("pickup", "desk", 900), heard("pickup", "bay", 300)])
    assert after.read("pickup") == 500
    after.hear([heard("pickup", "bay", 700)])
    assert after.read("pickup") == 700


def test_a_patience_that_is_added_takes_no_clock_back() -> None:
    before = clocks(heard("pickup", "desk", 500, spoke=100))
    assert resumed(before, Feed("pickup", ("desk",), patience_ms=1000)).read("pickup") == 500


_FEEDS = st.builds(
    Feed,
    st.just("pickup"),
    st.sampled_from([("desk",), ("desk", "bay"), ("bay",)]),
    lateness_ms=st.sampled_from([0, 60_000]),
    patience_ms=st.sampled_from([None, 3_600_000]),
)
_TIMES = st.sampled_from([minutes * 60_000 for minutes in (0, 1, 5, 9, 11, 30, 60, 90)])
_TICKS = st.lists(
    st.builds(
        heard,
        st.just("pickup"),
        st.sampled_from(["desk", "bay"]),
        _TIMES,
        st.one_of(_TIMES, st.none()),
        partition=st.integers(0, 3),
        of=st.integers(1, 4),
    ),
    max_size=6,
)


@given(st.lists(st.tuples(_FEEDS, _TICKS), max_size=8))
def test_no_clock_goes_back_whatever_becomes_of_a_feed_between_two_workers(
    lives: list[tuple[Feed, list[Progress]]],
) -> None:
    now = Clocks(())
    before: tuple[dict[str, int], ...] = ({}, {}, {}, {})
    for feed, ticks in lives:
        now = resumed(now, feed)
        now.hear(ticks)
        after = (now.marks, now.heard, now.read_to, now.spoke)
        for old, new in zip(before, after, strict=True):
            assert all(new[channel] >= at for channel, at in old.items())
        before = tuple(dict(one) for one in after)
        assert resumed(now, feed).snapshot() == now.snapshot()
