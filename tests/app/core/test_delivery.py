"""What the facts of an order say of its delivery."""

from datetime import UTC, datetime, timedelta, timezone

from app.core.delivery import Span, called_off, schedule, span
from schemas.events import (
    Data,
    DeliveryCancelled,
    DeliveryRescheduled,
    DeliveryScheduled,
    OrderCancelled,
    OrderPlaced,
)
from schemas.state import Fact

EIGHT = datetime(2026, 3, 3, 8, tzinfo=UTC)
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def facts(*data: Data) -> list[Fact]:
    return [Fact(at, f"e{at}", "/carrier", "carrier", what) for at, what in enumerate(data)]


def test_the_last_word_on_a_parcel_is_its_plan_and_other_parcels_keep_theirs() -> None:
    first, other, moved = facts(
        DeliveryScheduled(order_id="o1", package_id="p1", window_from=EIGHT),
        DeliveryScheduled(order_id="o1", package_id="p2", window_from=EIGHT),
        DeliveryRescheduled(order_id="o1", package_id="p1", window_from=NOON),
    )
    assert schedule([first, other, moved]) == {"p1": moved, "p2": other}


def test_what_names_no_parcel_speaks_for_all_and_gives_way_to_what_names_one() -> None:
    first, whole, again = facts(
        DeliveryScheduled(order_id="o1", package_id="p1", window_from=EIGHT),
        DeliveryCancelled(order_id="o1"),
        DeliveryScheduled(order_id="o1", package_id="p2", window_from=NOON),
    )
    assert schedule([first, whole]) == {"": whole}
    assert called_off(whole)
    assert schedule([first, whole, again]) == {"p2": again}


def test_a_parcel_is_one_by_whichever_of_its_labels_it_is_named() -> None:
    labelled, other, moved, unknown = facts(
        DeliveryScheduled(order_id="o1", package_id="p1", tracking_id="t1"),
        DeliveryScheduled(order_id="o1", package_id="p2"),
        DeliveryRescheduled(order_id="o1", tracking_id="t1"),
        DeliveryRescheduled(order_id="o1", tracking_id="t2"),
    )
    assert schedule([labelled, other, moved]) == {"p1": moved, "p2": other}
    assert schedule([labelled, other, moved, unknown]) == {"p1": moved, "p2": other, "t2": unknown}
    assert schedule([other, moved]) == {"p2": moved}
    assert schedule([]) == {}


def test_an_order_placed_after_it_was_cancelled_has_no_plan_yet() -> None:
    history = facts(
        DeliveryScheduled(order_id="o1", window_from=EIGHT), OrderCancelled(order_id="o1"), OrderPlaced(order_id="o1")
    )
    assert [called_off(plan) for plan in schedule(history[:2]).values()] == [True]
    assert schedule(history) == {}


def test_at_one_moment_what_is_called_off_makes_room_for_what_is_planned_whatever_their_ids() -> None:
    planned, moved, cancelled, order = (
        Fact(0, name, "/carrier", "carrier", what)
        for name, what in (
            ("c", DeliveryScheduled(order_id="o1", window_from=EIGHT)),
            ("b", DeliveryRescheduled(order_id="o1", window_from=NOON)),
            ("d", DeliveryCancelled(order_id="o1")),
            ("a", OrderCancelled(order_id="o1")),
        )
    )
    assert schedule([planned, cancelled]) == {"": planned}
    assert schedule([moved, planned, cancelled]) == {"": moved}
    assert schedule([order, moved, planned, cancelled]) == {"": order}


def test_windows_are_compared_only_where_both_name_an_end() -> None:
    whole, begin, end = Span(EIGHT, NOON), Span(EIGHT, None), Span(None, NOON)
    assert whole.agrees(begin)
    assert whole.same(end)
    assert begin.agrees(end)
    assert not begin.same(end)
    assert not whole.agrees(Span(NOON, None))


def test_a_window_is_the_same_moment_in_any_zone_and_is_told_in_utc() -> None:
    abroad = Span(EIGHT.astimezone(timezone(timedelta(hours=2))), None)
    assert abroad.same(Span(EIGHT, None))
    assert str(abroad) == "from 2026-03-03 08:00 UTC"
    assert str(Span(None, NOON)) == "by 2026-03-03 12:00 UTC"


def test_an_event_without_a_window_names_none() -> None:
    (put_off,) = facts(DeliveryRescheduled(order_id="o1"))
    assert span(put_off) is None
