"""Which way an event takes, and what is learned of it."""

from app.core.identity import Identifier
from app.core.routing import Noted, Recent, Router
from app.core.rule import DAY
from app.timeline import START
from schemas.links import Kin, Link


def test_an_event_that_names_its_customer_goes_straight_to_it_and_teaches() -> None:
    route = Router().route("ann", [Identifier("order", "o1"), Identifier("phone", "f00")], START, lacks_order=False)
    assert route is not None
    assert (route.customer, route.via) == ("ann", None)
    assert route.notes == [Noted("order:o1", Link(START, "ann")), Noted("phone:f00", Link(START, "ann"))]


def test_what_was_announced_is_announced_again_a_day_later_or_for_another_customer() -> None:
    router = Router()

    def notes(customer: str, at: int) -> int:
        route = router.route(customer, [Identifier("phone", "f00")], at, lacks_order=False)
        assert route is not None
        return len(route.notes)

    assert [notes("ann", START), notes("ann", START + 1), notes("bob", START + 2), notes("ann", START + 3)] == [
        1,
        0,
        1,
        1,
    ]
    assert [notes("cid", at) for at in (START + 4, START + DAY, START + DAY + 1)] == [1, 1, 1], "several use it"
    router = Router()
    assert [notes("ann", at) for at in (START, START + DAY, START + DAY + 1)] == [1, 1, 0]


def test_who_named_an_order_earlier_is_announced_though_it_is_heard_later() -> None:
    router, order = Router(), [Identifier("order", "o1")]
    at = (START + 5, START + 6, START)
    assert [len(router.route("ann", order, moment).notes) for moment in at] == [1, 0, 1]


def test_who_used_a_phone_last_is_announced_where_several_use_it() -> None:
    router, phone = Router(), [Identifier("phone", "f00")]

    def said(customer: str, minute: int) -> list[tuple[str, int]]:
        return [
            (note.record.customer, note.record.at - START)
            for note in router.route(customer, phone, START + minute).notes
        ]

    assert [said("ann", minute) for minute in (0, 8, 4)] == [[("ann", 0)], [], []]
    assert said("bob", 6) == [("ann", 8), ("bob", 6)]
    assert [said("ann", minute) for minute in (5, 9, 7)] == [[("ann", 5)], [("ann", 9)], []]


def test_an_event_without_a_customer_asks_under_its_strongest_and_all_learn_of_that_one() -> None:
    router = Router()
    names = [Identifier("order", "o1"), Identifier("tracking", "t1"), Identifier("phone", "f00")]
    route = router.route(None, names, START, lacks_order=False)
    assert route is not None
    assert (route.customer, route.via) == (None, "order:o1")
    assert route.notes == [
        Noted("order:o1", Kin(START, "tracking:t1")),
        Noted("tracking:t1", Kin(START, "order:o1")),
        Noted("order:o1", Kin(START, "phone:f00")),
        Noted("phone:f00", Kin(START, "order:o1")),
    ]
    again = router.route(None, names, START + 1, lacks_order=False)
    assert again is not None
    assert not again.notes


def test_whoever_an_order_is_placed_under_is_told_so() -> None:
    names = [Identifier("order", "o1"), Identifier("loyalty", "f00")]
    route = Router().route(None, names, START, places=True)
    assert route is not None
    assert route.notes == [
        Noted("order:o1", Kin(START, "loyalty:f00", placed=True)),
        Noted("loyalty:f00", Kin(START, "order:o1", placed=True)),
    ]


def test_a_parcel_learns_which_order_it_holds_from_whoever_names_both() -> None:
    route = Router().route("ann", [Identifier("order", "o1"), Identifier("tracking", "t1")], START, lacks_order=False)
    assert route is not None
    assert route.notes == [Noted("order:o1", Link(START, "ann")), Noted("tracking:t1", Link(START, "ann", "o1"))]


def test_an_event_that_knows_only_its_parcel_asks_for_the_order_though_it_names_its_customer() -> None:
    route = Router().route("ann", [Identifier("tracking", "t1"), Identifier("package", "p1")], START, lacks_order=True)
    assert route is not None
    assert (route.customer, route.via) == (None, "tracking:t1")
    assert Noted("package:p1", Kin(START, "tracking:t1")) in route.notes
    assert Noted("package:p1", Link(START, "ann")) in route.notes


def test_an_event_about_no_parcel_at_all_asks_for_nothing() -> None:
    route = Router().route("ann", [Identifier("phone", "f00")], START, lacks_order=True)
    assert route is not None
    assert route.via is None


def test_an_event_that_names_nothing_has_no_way() -> None:
    assert Router().route(None, [], START, lacks_order=False) is None


def test_what_is_remembered_is_bounded_and_the_latest_is_kept() -> None:
    recent = Recent(10)
    for number in range(1000):
        recent.put(number, number)
        assert len(recent) <= 10
    assert [recent.get(number) for number in (999, 996, 0)] == [999, 996, None]
