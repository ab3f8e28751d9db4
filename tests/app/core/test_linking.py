"""All of the linking in one place, as replay runs it."""

from app.core.identity import Identities, lacks_order, places
from app.core.link_limits import LinkLimits
from app.core.linking import Item, Linked, Linking
from app.core.rule import DAY, MINUTE
from app.timeline import START
from schemas.events import Customer, Data, FulfilmentCompleted, OrderPlaced, OrderVisible, ParcelAccepted

IDENTITIES = Identities(b"secret")


def item(minutes: int, data: Data, customer: Customer | None = None) -> Item:
    found = IDENTITIES.of_event(data, customer)
    at = START + minutes * MINUTE
    return Item(at, "web", customer.id if customer is not None else None, found, lacks_order(data), places(data), data)


def told(linked: list[Linked]) -> list[tuple[str, str, str | None]]:
    return [(type(one.item.payload).__name__, one.customer, one.order_id) for one in linked]


def test_what_waits_goes_on_with_its_link_and_knows_its_order() -> None:
    linking = Linking()
    assert linking.take(item(0, ParcelAccepted(tracking_id="t1"))) == []
    assert linking.take(item(1, FulfilmentCompleted("o1", None, "t1"))) == []
    assert sorted(told(linking.take(item(2, OrderPlaced("o1"), Customer("ann"))))) == [
        ("FulfilmentCompleted", "ann", None),
        ("OrderPlaced", "ann", None),
        ("ParcelAccepted", "ann", "o1"),
    ]


def test_what_is_told_of_a_parcel_is_told_of_each_order_in_it() -> None:
    linking = Linking()
    for number, order in enumerate(("o1", "o2")):
        linking.take(item(number, OrderPlaced(order), Customer("ann")))
        linking.take(item(number + 2, FulfilmentCompleted(order, f"p{number}", "t1"), Customer("ann")))
    assert told(linking.take(item(5, ParcelAccepted(tracking_id="t1")))) == [
        ("ParcelAccepted", "ann", "o1"),
        ("ParcelAccepted", "ann", "o2"),
    ]


def test_of_a_parcel_of_several_customers_nobody_knows_whose_the_second_order_is() -> None:
    linking = Linking()
    for number, customer in enumerate(("ann", "bob")):
        linking.take(item(number, OrderPlaced(f"o{number}"), Customer(customer)))
        linking.take(item(number + 2, FulfilmentCompleted(f"o{number}", None, "t1"), Customer(customer)))
    assert told(linking.take(item(5, ParcelAccepted(tracking_id="t1")))) == [("ParcelAccepted", "ann", "o0")]


def test_a_parcel_of_orders_whose_customers_nobody_knows_is_told_of_to_each() -> None:
    linking = Linking()
    for order in ("o1", "o2"):
        linking.take(item(0, FulfilmentCompleted(order, None, "t1")))
    linking.take(item(1, ParcelAccepted(tracking_id="t1")))
    assert told(linking.end())[-2:] == [
        ("ParcelAccepted", "provisional:order:o1", "o1"),
        ("ParcelAccepted", "provisional:order:o2", "o2"),
    ]
    assert linking.counts.provisional == 3


def test_what_has_waited_long_enough_goes_on_without() -> None:
    linking = Linking()
    linking.take(item(0, OrderVisible("o1")))
    assert told(linking.take(item(16, OrderPlaced("o2"), Customer("bob")))) == [
        ("OrderVisible", "provisional:order:o1", None),
        ("OrderPlaced", "bob", None),
    ]


def test_a_recording_that_is_known_whole_is_linked_whole_however_late_the_link() -> None:
    linking = Linking(LinkLimits(wait_ms=1 << 60, parked=1 << 60, parked_each=1 << 60))
    for number in range(5000):
        assert linking.take(item(number, OrderVisible(f"o{number % 1000}"))) == []
    gone = [
        one
        for number in range(1000)
        for one in linking.take(item(number + 5 * DAY // MINUTE, OrderPlaced(f"o{number}"), Customer(f"c{number}")))
    ]
    assert len(gone) == 6000
    assert {one.customer for one in gone if one.item.payload.order_id == "o7"} == {"c7"}
    assert linking.end() == []


def test_at_the_end_all_that_still_wait_go_on() -> None:
    linking = Linking()
    linking.take(item(0, OrderVisible("o1")))
    assert told(linking.end()) == [("OrderVisible", "provisional:order:o1", None)]
    assert linking.counts.provisional == 1
