"""A partition: which records it takes, and what a batch comes to."""

from collections.abc import Sequence

import msgspec
import pytest

from app.compose import all_feeds
from app.core.clocks import Feed
from app.core.engine import Limits
from app.core.journeys import journey_key
from app.core.rows import JOURNAL
from app.core.rule import HOUR, MINUTE
from app.rules import RULES, order_not_ready, order_not_visible
from app.timeline import START
from schemas.codec import Event, TickData, decode_case, decode_journal, decode_journey, encode_row
from schemas.events import OrderChanged, OrderPlaced
from schemas.state import Fact, Journey, Progress
from tests.recordings import Player, tick

FACT = Fact(START, "e1", "/web", "web", OrderPlaced("o1", "pickup", "s1"), ("orders", 0, 7))
PLACED = Event(FACT, (7, 0))


def again(**changes: object) -> Event:
    """Another event, with its place in the origin."""
    return Event(msgspec.structs.replace(FACT, id="e2"), **{"position": (8, 0), **changes})  # type: ignore[arg-type]


def taken(*events: Event) -> Player:
    player = Player(RULES)
    for event in events:
        player.feed("ann", event)
    return player


def test_a_record_at_or_below_what_was_taken_of_its_origin_is_dropped() -> None:
    assert taken(PLACED, again(position=(7, 0))).partition.counts.repeated == 1
    assert taken(PLACED, again(position=(6, 3))).partition.counts.repeated == 1


def test_several_events_of_one_record_are_all_taken() -> None:
    assert taken(PLACED, again(position=(7, 1))).partition.counts.repeated == 0


def test_what_was_taken_of_an_origin_outlives_the_worker() -> None:
    player = taken(PLACED)
    player.resume()
    player.feed("ann", PLACED)
    assert player.partition.counts.repeated == 1


def test_an_event_that_came_by_the_links_is_not_held_against_its_origin() -> None:
    assert taken(again(), Event(FACT, (7, 0), linked=True)).partition.counts.repeated == 0


def test_an_event_that_a_producer_sent_twice_is_known_by_its_id() -> None:
    player = taken(PLACED, Event(FACT, (8, 0)))
    assert player.partition.counts.repeated == 0
    assert player.partition.counts.duplicates > 0


def test_the_journal_goes_with_every_batch() -> None:
    player = taken(PLACED)
    assert decode_journal(player.rows[JOURNAL]).taken == {"orders/0": (7, 0)}


def test_the_first_wait_is_the_soonest_moment_at_which_a_tick_can_change_anything() -> None:
    player = Player([order_not_visible.RULE])
    assert player.partition.first_wait() is None
    player.feed("ann", PLACED)
    assert player.partition.first_wait() == START + 10 * MINUTE
    player.feed("", tick(START + 10 * MINUTE))
    assert player.alerts == []
    player.feed("", tick(START + 10 * MINUTE + 1))
    assert len(player.alerts) == 1


def test_the_end_of_a_case_is_waited_for_as_well() -> None:
    player = Player([order_not_visible.RULE], limits=Limits(retention_ms=MINUTE))
    player.feed("ann", PLACED)
    assert player.partition.first_wait() == START + MINUTE
    player.resume()
    assert player.partition.first_wait() == START + MINUTE
    for minutes in (1, 10, 11):
        player.feed("", tick(START + minutes * MINUTE + 1))
    assert player.partition.first_wait() is None
    assert player.cases() == {}


def test_what_fires_is_counted_by_rule_and_channels_and_counted_anew_on_restore() -> None:
    player = Player([order_not_visible.RULE])
    player.feed("ann", PLACED)
    player.feed("", tick(START + HOUR))
    assert player.partition.firing == {("H101", "web", "pickup"): 1}
    player.resume()
    assert player.partition.firing == {("H101", "web", "pickup"): 1}


def test_what_fires_of_a_rule_that_was_turned_off_expires_and_is_said_again_once_it_is_on() -> None:
    on, off = Player([order_not_visible.RULE]), Player([order_not_ready.RULE])
    on.feed("ann", PLACED)
    on.feed("", tick(START + HOUR))
    off.rows = on.rows
    off.resume()
    off.feed("", tick(START + HOUR))
    off.feed("", tick(START + 2 * HOUR))
    assert [(alert.rule, alert.revision, alert.resolution) for alert in off.alerts] == [("H101", 2, "expired")]
    assert off.partition.firing.total() == 0
    on.resume()
    on.feed("ann", Event(Fact(START + 2 * HOUR, "e2", "/web", "web", OrderChanged("o1")), (8, 0)))
    assert [(alert.revision, alert.status) for alert in on.alerts] == [(1, "firing"), (3, "firing")]


def desk_with(**changes: object) -> Sequence[Feed]:
    """All feeds, of which the desk's is another."""
    return [msgspec.structs.replace(feed, **changes) if feed.channel == "pickup" else feed for feed in all_feeds()]


@pytest.mark.parametrize(
    "feeds",
    [all_feeds(), desk_with(lateness_ms=HOUR), desk_with(topics=("pickup", "bay")), desk_with(topics=("desk-v2",))],
    ids=["a new partition", "a greater lateness", "one more topic", "another topic"],
)
def test_what_was_judged_is_not_taken_back_by_a_worker_that_finds_the_feed_changed(feeds: Sequence[Feed]) -> None:
    player = Player([order_not_visible.RULE])
    player.feed("ann", PLACED)
    player.feed("", tick(START + HOUR))
    player.feed("", TickData((Progress("pickup", "pickup", 1, 2, START),)))
    player.resume(feeds)
    player.feed("ann", Event(Fact(START + HOUR, "e2", "/web", "web", OrderChanged("o1")), (8, 0)))
    assert [alert.status for alert in player.alerts] == ["firing"]


def test_a_batch_of_which_only_some_rows_were_written_is_done_again_and_comes_to_the_same() -> None:
    orders = [
        Event(Fact(START + n, f"e{n}", "/web", "web", OrderPlaced(f"o{n}", "pickup", "s1")), (n, 0)) for n in range(3)
    ]
    limits = Limits(cases=2)
    whole = Player([order_not_visible.RULE], limits=limits)
    for event in orders:
        whole.partition.feed("ann", event)
    written = list(whole.partition.flush().rows.items())
    whole_cases = {key: decode_case(row) for key, row in written if row is not None and not key.startswith(b"\0")}
    for kept in range(len(written)):
        torn = Player([order_not_visible.RULE], limits=limits)
        torn.rows = {key: row for key, row in written[:kept] if row is not None}
        torn.resume()
        for event in orders:
            torn.partition.feed("ann", event)
        torn.flush()
        assert torn.cases() == whole_cases
        assert decode_journey(torn.rows[journey_key("ann")]).open == [("order", "o1"), ("order", "o2")]


def test_a_case_that_is_listed_and_has_no_row_is_opened_again_and_listed_once() -> None:
    player = Player([order_not_visible.RULE], limits=Limits(cases=2))
    player.rows[journey_key("ann")] = encode_row(Journey(open=[("order", "o1"), ("order", "lost")]))
    for number in (1, 2, 3):
        data = OrderPlaced(f"o{number}", "pickup", "s1")
        player.feed("ann", Event(Fact(START + number, f"e{number}", "/web", "web", data), (number, 0)))
    assert decode_journey(player.rows[journey_key("ann")]).open == [("order", "o2"), ("order", "o3")]
    assert len(player.cases()) == 2
    assert player.partition.counts.evicted["cases"] == 1


def test_a_case_that_is_not_listed_can_be_closed() -> None:
    player = Player([order_not_visible.RULE], limits=Limits(retention_ms=MINUTE))
    player.feed("ann", PLACED)
    del player.rows[journey_key("ann")]
    player.resume()
    for minutes in (10, 11, 12):
        player.feed("", tick(START + minutes * MINUTE + 1))
    assert player.cases() == {}
