"""What a links partition does with events, links and kin; what keeps it small, and its clocks honest."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clocks import Feed
from app.core.link_limits import LinkLimits
from app.core.links import LinksPartition, Passed, Ticked
from app.core.routing import Noted
from app.core.rule import DAY, HOUR, MINUTE, SECOND
from app.timeline import START
from schemas.codec import TickData
from schemas.links import Kin, Link, Unlinked
from schemas.state import Progress
from schemas.topics import EVENTS, LINKS
from tests.links_network import WAIT, write

PHONE, CARD, CASE, ORDER, PARCEL = "phone:1", "loyalty:1", "case:1", "order:1", "tracking:1"


class Desk:
    """One partition that is all there are, with the table behind it and two channels that are heard."""

    def __init__(self, patience: int | None = None, **limits: int) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.feeds = (Feed("phone", ("phone",)), Feed("crm", ("crm",), 0, patience))
        self.partition = LinksPartition(0, 1, self.feeds, self.rows.get, limits=LinkLimits(**limits))
        self.offset = 0
        self.said: list[Ticked] = []

    def ask(
        self, identifier: str, at: int = START, customer: str | None = None, *, lacks_order: bool = False
    ) -> list[tuple[str, str | None]]:
        self.offset += 1
        event = Unlinked(b"%d" % at, at, "phone", customer, lacks_order, ("phone", 0), (self.offset, 0))
        self.partition.feed(identifier, event)
        return self.take()

    def link(self, identifier: str, customer: str, at: int = START) -> list[tuple[str, str | None]]:
        self.partition.feed(identifier, Link(at, customer))
        return self.take()

    def kin(self, one: str, other: str, at: int = START, *, placed: bool = False) -> list[tuple[str, str | None]]:
        self.partition.feed(one, Kin(at, other, placed))
        self.partition.feed(other, Kin(at, one, placed))
        return self.take()

    def hear(self, at: int, channels: Sequence[str] = ("phone", "crm")) -> list[tuple[str, str | None]]:
        ticks = tuple(Progress(channel, channel, 0, 1, at, START) for channel in channels)
        self.partition.feed("", TickData(ticks))
        return self.take()

    def hear_of(self, channel: str, topic: str, at: int) -> None:
        self.partition.feed("", TickData((Progress(channel, topic, 0, 1, at, START),)))
        self.take()

    def take_over(self, *feeds: Feed) -> None:
        """Another worker takes the partition up, with other feeds."""
        self.partition = LinksPartition(0, 1, feeds, self.rows.get, limits=self.partition.limits)
        self.partition.restore(list(self.rows.items()))

    def take(self) -> list[tuple[str, str | None]]:
        """Ends the batch, and hands the partition what it tells itself. Gives customer and order of what went on."""
        work = self.partition.flush()
        write(self.rows, work.rows)
        for output in work.outputs:
            if isinstance(output, Noted):
                self.partition.feed(output.identifier, output.record)
            elif isinstance(output, Ticked) and output.topic == LINKS.name:
                self.partition.feed("", TickData(output.progress))
            elif isinstance(output, Ticked):
                self.said.append(output)
        passed = [(one.customer, one.order) for one in work.outputs if isinstance(one, Passed)]
        more = any(not isinstance(one, Passed) and getattr(one, "topic", "") != EVENTS.name for one in work.outputs)
        return passed + self.take() if more else passed

    def heard(self, channel: str) -> int:
        """What the events partitions have been told of a channel, ms."""
        return max((p.heard for tick in self.said for p in tick.progress if p.channel == channel), default=-1)


def test_an_event_waits_for_its_link_and_no_longer_than_the_wait() -> None:
    desk = Desk()
    assert desk.ask(PHONE) == []
    assert desk.hear(START + WAIT) == []
    assert desk.hear(START + WAIT + 1) == [("provisional:phone:1", None)]
    assert desk.partition.counts.let_go == {"wait": 1}


def test_who_waited_in_vain_is_joined_at_once_until_the_customer_is_known() -> None:
    desk = Desk()
    desk.ask(PHONE)
    desk.hear(START + WAIT + 1)
    assert desk.ask(PHONE, START + WAIT) == [("provisional:phone:1", None)]
    assert desk.link(PHONE, "ann", START + WAIT) == []
    assert desk.ask(PHONE, START + WAIT) == [("ann", None)]


def test_the_wait_is_over_once_every_live_channel_has_been_heard() -> None:
    behind, silent = Desk(), Desk(patience=MINUTE)
    for desk in (behind, silent):
        desk.hear(START)
        desk.ask(PHONE)
    assert behind.hear(START + 2 * WAIT, ["phone"]) == []
    assert behind.hear(START + 2 * WAIT, ["crm"]) == [("provisional:phone:1", None)]
    silent.hear(START + 2 * MINUTE, ["crm"])  # it was read that far, and has said nothing for longer than its patience
    assert silent.hear(START + 2 * WAIT, ["phone"]) == [("provisional:phone:1", None)]


def test_time_that_leaps_ends_no_wait_before_what_a_card_tells_an_order_has_come_to_its_parcel() -> None:
    """As in a backfill: the links and hours of event time come in one batch."""
    desk = Desk()
    desk.link(CARD, "ann")
    assert desk.ask(PARCEL, lacks_order=True) == []
    for one, kin in ((CARD, ORDER), (ORDER, CARD), (ORDER, PARCEL), (PARCEL, ORDER)):
        desk.partition.feed(one, Kin(START, kin, placed=CARD in (one, kin)))
    assert desk.hear(START + HOUR) == [("ann", "1")]


def test_a_family_phone_leads_to_who_used_it_last_before_the_event() -> None:
    desk = Desk()
    for customer, minutes in (("ann", 0), ("bob", 2), ("ann", 4)):
        desk.link(PHONE, customer, START + minutes * MINUTE)
    asked = [desk.ask(PHONE, START + minutes * MINUTE) for minutes in (-1, 1, 3, 5)]
    assert [customer for ((customer, _),) in asked] == ["ann", "ann", "bob", "ann"]


def test_a_fourth_customer_stops_an_identifier_from_linking_for_good() -> None:
    desk = Desk()
    for customer in ("ann", "bob", "cid"):
        desk.link(PHONE, customer)
    assert desk.ask(PHONE) == [("cid", None)]
    desk.link(PHONE, "dan")
    assert desk.ask(PHONE) == [("provisional:phone:1", None)], "and nothing is waited for"
    desk.link(PHONE, "ann", START + MINUTE)
    assert desk.ask(PHONE, START + MINUTE) == [("provisional:phone:1", None)]
    assert desk.partition.counts.shared == 1


def test_a_shared_phone_tells_its_kin_nothing() -> None:
    desk = Desk()
    for customer in ("ann", "bob", "cid", "dan"):
        desk.link(PHONE, customer)
    desk.kin(CASE, PHONE)
    assert desk.ask(CASE) == []


def test_a_case_belongs_to_whom_its_phone_leads() -> None:
    desk = Desk()
    desk.kin(CASE, PHONE)
    assert desk.ask(CASE) == []
    assert desk.link(PHONE, "ann") == [("ann", None)]


def test_a_case_belongs_to_who_used_its_family_phone_last_before() -> None:
    """As do events that name nothing but the phone: Bob has just signed in with it, and opens a case."""
    desk = Desk()
    for customer, minutes in (("ann", 0), ("bob", 2), ("ann", 4)):
        desk.link(PHONE, customer, START + minutes * MINUTE)
    for minutes, customer in ((1, "ann"), (3, "bob"), (5, "ann")):
        case = f"case:{minutes}"
        desk.kin(case, PHONE, START + minutes * MINUTE)
        assert desk.ask(case, START + minutes * MINUTE) == [(customer, None)]


def test_who_asks_about_an_order_does_not_own_it() -> None:
    """Ann calls from her phone about the order that Bob placed; the link of the order is under way."""
    desk = Desk()
    desk.link(PHONE, "ann")
    desk.kin(ORDER, PHONE)
    assert desk.ask(ORDER) == []
    assert desk.link(ORDER, "bob") == [("bob", None)]


def test_who_asks_about_an_order_of_another_does_not_become_the_other() -> None:
    """Bob calls once about Ann's order, from the phone that he has signed in with."""
    desk = Desk()
    desk.link(PHONE, "bob")
    desk.link(ORDER, "ann")
    desk.kin(ORDER, PHONE, START + HOUR)
    assert desk.ask(PHONE, START + 2 * HOUR) == [("bob", None)]


@pytest.mark.parametrize("others", [["ann"], ["ann", "cid", "dan"]])
def test_a_case_about_an_order_is_of_whom_the_order_is_and_of_nobody_else_who_asks_about_it(others: list[str]) -> None:
    """A chat names Bob's order in its first message, and nothing of who writes. Others have called about that order."""
    desk = Desk()
    desk.link(ORDER, "bob", START)
    for number, other in enumerate(others):
        desk.link(f"phone:{number}", other, START)
        desk.kin(ORDER, f"phone:{number}", START + MINUTE)
    desk.kin(ORDER, CASE, START + HOUR)
    assert desk.ask(ORDER, START + HOUR) == [("bob", None)]
    assert desk.ask(CASE, START + HOUR + MINUTE) == [("bob", None)]


@pytest.mark.parametrize("asked_about_before", [False, True])
def test_an_order_belongs_to_whose_card_it_was_placed_under(asked_about_before: bool) -> None:
    desk = Desk()
    desk.link(CARD, "ann")
    if asked_about_before:
        desk.kin(ORDER, CARD, START - MINUTE)
    assert desk.ask(ORDER) == []
    assert desk.kin(ORDER, CARD, placed=True) == [("ann", None)]


def test_who_asks_about_an_order_that_nobody_else_knows_is_the_best_that_is_known() -> None:
    desk = Desk()
    desk.link(PHONE, "ann")
    desk.kin(ORDER, PHONE)
    desk.ask(ORDER)
    assert desk.hear(START + WAIT + 1) == [("ann", None)]
    assert desk.ask(ORDER, START + WAIT) == [("ann", None)]


def test_an_order_belongs_to_whom_it_was_first_said_to() -> None:
    desk = Desk()
    desk.link(ORDER, "bob", START + MINUTE)
    desk.link(ORDER, "ann", START)
    assert desk.ask(ORDER, START + HOUR) == [("ann", None)]


def test_a_parcel_learns_its_order_and_through_it_the_customer() -> None:
    desk = Desk()
    assert desk.ask(PARCEL, lacks_order=True) == []
    desk.link(ORDER, "ann")
    desk.partition.feed(ORDER, Kin(START, PARCEL))
    assert desk.take() == []
    desk.partition.feed(PARCEL, Kin(START, ORDER))
    assert desk.take() == [("ann", "1")]


def test_boxes_of_one_number_make_no_customer_of_another_order() -> None:
    """Parcels that are numbered anew in each order, crates that are used again: what such a one is known by, it knows
    from other orders.
    """
    desk = Desk()
    for number in range(3):
        desk.link(f"order:{number}", f"c{number}", START + number * MINUTE)
        for box in ("package:1", "package:2", "tracking:1"):
            desk.kin(f"order:{number}", box, START + HOUR)
    assert [desk.ask(f"order:{number}", START + DAY) for number in range(3)] == [[(f"c{n}", None)] for n in range(3)]
    for box in ("package:1", "tracking:1"):
        desk.kin("order:3", box, START + DAY)
    assert desk.ask("order:3", START + DAY) == [], "its own link is under way"
    assert desk.link("order:3", "c3", START + DAY + MINUTE) == [("c3", None)]


def test_who_is_known_of_the_parcel_itself_is_known_of_its_order() -> None:
    desk = Desk()
    desk.kin(ORDER, PARCEL)
    assert desk.ask(ORDER) == []
    assert desk.link(PARCEL, "ann") == [("ann", None)]


@pytest.mark.parametrize("said_after", [False, True])
def test_what_a_parcel_heard_and_is_then_told_itself_is_known_of_all_orders_in_it(said_after: bool) -> None:
    desk = Desk()
    desk.kin("order:2", PARCEL)
    if not said_after:
        desk.link(PARCEL, "ann")
    desk.link(ORDER, "ann")
    desk.kin(ORDER, PARCEL)
    assert desk.ask("order:2") == ([] if said_after else [("ann", None)])
    assert desk.link(PARCEL, "ann", START + MINUTE) == ([("ann", None)] if said_after else [])


@pytest.mark.parametrize("taken_over", [False, True])
def test_what_waited_for_its_parcel_goes_on_to_each_order_that_turns_out_to_be_in_it(taken_over: bool) -> None:
    desk = Desk()
    desk.ask(PARCEL, lacks_order=True)
    for order in ("1", "2", "3"):
        desk.link(f"order:{order}", "ann")
    assert desk.kin(ORDER, PARCEL) == [("ann", "1")]
    if taken_over:
        desk.take_over(*desk.feeds)
    assert desk.kin("order:2", PARCEL, START + WAIT) == [("ann", "2")]
    assert desk.kin("order:2", PARCEL, START) == [], "of that one it has been told"
    assert desk.kin("order:3", PARCEL, START + WAIT + 1) == [], "and for that one it would not have waited"
    desk.hear(START + WAIT + 1)
    assert desk.kin("order:3", PARCEL, START) == []
    assert [key for key in desk.rows if key.startswith(b"p")] == []


@pytest.mark.parametrize("behind", [False, True])
def test_what_is_told_of_a_parcel_is_kept_for_other_orders_where_a_channel_is_behind(behind: bool) -> None:
    desk = Desk(hold_ms=MINUTE)
    for order in (ORDER, "order:2"):
        desk.link(order, "ann")
    desk.kin(ORDER, PARCEL)
    desk.hear(START + HOUR - (2 * MINUTE if behind else SECOND))
    assert desk.ask(PARCEL, START + HOUR, lacks_order=True) == [("ann", "1")]
    assert desk.partition.heard.heard["phone"] == desk.heard("phone"), "and holds no clock back"
    assert desk.kin("order:2", PARCEL) == ([("ann", "2")] if behind else [])


def test_what_is_kept_for_other_orders_is_bounded() -> None:
    desk = Desk(parked=3)
    for number in range(9):
        desk.link(f"tracking:{number}", "ann")
        desk.ask(f"tracking:{number}", START + number, lacks_order=True)
        desk.partition.feed(f"tracking:{number}", Link(START, "ann", "1"))
        desk.take()
    assert len(desk.partition.told) == len([key for key in desk.rows if key.startswith(b"p")]) == 3
    assert not desk.partition.counts.let_go


def test_an_event_that_names_its_customer_still_waits_for_its_order() -> None:
    desk = Desk()
    assert desk.ask(PARCEL, customer="ann", lacks_order=True) == []
    desk.partition.feed(PARCEL, Link(START, "ann", "1"))
    assert desk.take() == [("ann", "1")]
    desk.ask("tracking:2", customer="ann", lacks_order=True)
    assert desk.hear(START + WAIT + 1) == [("ann", None)]


def test_a_parcel_of_too_many_orders_is_no_parcel_but_a_placeholder() -> None:
    desk = Desk()
    for order in range(12):
        desk.partition.feed("tracking:none", Link(START, "ann", str(order)))
    assert len(desk.ask("tracking:none", customer="ann", lacks_order=True)) == 12
    desk.partition.feed("tracking:none", Link(START, "ann", "12"))
    assert desk.ask("tracking:none", customer="ann", lacks_order=True) == [("ann", None)]


def test_what_a_bound_takes_goes_on_early_and_is_counted() -> None:
    desk = Desk(parked_each=2, parked=3)
    assert desk.ask(PHONE) + desk.ask(PHONE) == []
    assert desk.ask(PHONE) == [("provisional:phone:1", None)]
    assert desk.ask(CASE) == []
    assert desk.ask(ORDER) == [("provisional:phone:1", None)]
    assert desk.partition.counts.let_go == {"parked_each": 1, "parked": 1}
    assert len(desk.partition.parking) == 3


def test_a_repeated_event_is_dropped_by_its_place_of_origin() -> None:
    desk = Desk()
    desk.link(PHONE, "ann")
    assert desk.ask(PHONE) == [("ann", None)]
    desk.offset -= 1
    assert desk.ask(PHONE) == []
    assert desk.partition.counts.repeated == 1


def test_a_parked_event_keeps_its_channel_back_but_no_further_than_the_hold() -> None:
    desk = Desk(hold_ms=MINUTE)
    desk.hear(START - 1)
    desk.ask(PHONE)
    desk.hear(START + 30 * SECOND)
    assert (desk.heard("phone"), desk.heard("crm")) == (START - 1, START + 30 * SECOND)
    desk.hear(START + 5 * MINUTE)
    assert desk.heard("phone") == START + 4 * MINUTE
    desk.link(PHONE, "ann")
    desk.hear(START + 5 * MINUTE + 1)
    assert desk.heard("phone") == START + 5 * MINUTE + 1


def test_a_parked_event_keeps_its_channel_back_while_a_channel_is_behind_that_may_bring_its_link() -> None:
    desk = Desk(hold_ms=MINUTE)
    desk.hear(START - SECOND)
    desk.ask(PHONE)
    desk.hear(START + HOUR, ["phone"])
    assert desk.heard("phone") == START - 1
    desk.hear(START + 2 * MINUTE, ["crm"])
    assert desk.heard("phone") == START + MINUTE
    desk.link(PHONE, "ann", START)
    desk.hear(START + 2 * MINUTE + 1, ["crm"])
    assert desk.heard("phone") == START + HOUR


def test_an_event_that_comes_late_waits_for_channels_to_come_as_far_as_its_own() -> None:
    desk = Desk()
    desk.hear(START, ["crm"])
    desk.hear(START + HOUR, ["phone"])
    assert desk.ask(PHONE, START - HOUR) == []
    assert desk.hear(START + HOUR + WAIT) == []
    assert desk.hear(START + HOUR + WAIT + 1) == [("provisional:phone:1", None)]


def test_ticks_are_as_rare_as_they_are_asked_to_be() -> None:
    desk = Desk(every_ms=SECOND)
    for ms in range(0, 5000, 100):
        desk.hear(START + ms)
    assert len(desk.said) == 5


def test_where_time_leaps_the_clock_passes_no_event_whose_wait_is_over_before_it_has_gone_on() -> None:
    desk, told = Desk(), list[str]()
    desk.hear(START)
    desk.ask(ORDER, START + MINUTE)
    desk.partition.feed("", TickData(tuple(Progress(c, c, 0, 1, START + DAY, START) for c in ("phone", "crm"))))
    while outputs := desk.partition.flush().outputs:
        for output in outputs:
            if isinstance(output, Passed):
                told.append("it went on")
            elif isinstance(output, Ticked) and output.topic == LINKS.name:
                desk.partition.feed("", TickData(output.progress))
            elif isinstance(output, Ticked) and any(
                one.channel == "phone" and one.heard > START + MINUTE for one in output.progress
            ):
                told.append("time has passed it")
    assert told == ["it went on", "time has passed it"]


def test_what_has_not_been_used_for_the_retention_is_forgotten() -> None:
    desk = Desk()
    for number in range(200):
        desk.link(f"order:{number}", "ann")
    desk.hear(START + 20 * DAY)
    desk.ask("order:7", START + 20 * DAY)
    desk.hear(START + 31 * DAY)
    assert 128 < desk.partition.counts.forgotten < 200, "those that were learned with it are looked at with it"
    assert desk.ask("order:7", START + 31 * DAY) == [("ann", None)]
    desk.hear(START + 70 * DAY)
    assert [key for key in desk.rows if not key.startswith(b"\0")] == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcdef"), st.integers(0, 50)), max_size=60))
def test_what_an_identifier_knows_is_bounded(said: list[tuple[str, str, int]]) -> None:
    desk = Desk(customers=2, kin=3)
    for one, other, at in said:
        desk.link(f"case:{one}", other, START + at)
        desk.kin(f"case:{one}", f"phone:{other}", START + at)
    for one in "abc":
        known = desk.partition._rows.identity(f"case:{one}")
        assert known is None or (len(known.known) <= 2 and len(known.kin) <= 3)
        assert known is None or not known.shared or not (known.known or known.kin)


def test_a_worker_that_finds_a_feed_changed_says_no_less_of_it_and_goes_on_where_it_was() -> None:
    desk = Desk()
    desk.hear(START + HOUR)
    desk.take_over(Feed("phone", ("phone-v2",)), Feed("crm", ("crm",), lateness_ms=HOUR))
    assert desk.partition.heard.marks == desk.partition.clocks.marks == {"phone": START + HOUR, "crm": START + HOUR}
    desk.hear(START + 2 * HOUR)
    assert (desk.heard("phone"), desk.heard("crm")) == (START + HOUR, START + 2 * HOUR)
    desk.hear_of("phone", "phone-v2", START + 3 * HOUR)
    assert desk.heard("phone") == START + 3 * HOUR


def test_a_channel_that_has_no_feed_any_more_is_not_waited_for() -> None:
    desk = Desk()
    desk.hear(START)
    desk.take_over(Feed("phone", ("phone",)))
    assert desk.ask(PHONE) == []
    assert desk.hear(START + WAIT + 1) == [("provisional:phone:1", None)]


def test_links_partitions_that_are_gone_are_not_waited_for() -> None:
    desk = Desk()
    for number in (0, 1):
        desk.partition.feed("", TickData((Progress("phone", LINKS.name, number, 2, START, trusted=START),)))
    desk.hear(START + HOUR, ["phone"])
    assert desk.heard("phone") == START + HOUR
