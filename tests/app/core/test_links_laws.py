"""Laws of linking: link first or event first, on any number of partitions, the verdict is the same."""

from collections.abc import Sequence
from random import Random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.compose import detector
from app.core.links import with_links
from app.core.rule import HOUR, MINUTE, SECOND
from app.rules import RULES
from app.timeline import START
from schemas.alerts import Alert
from schemas.codec import Event, TickData
from schemas.events import Customer, DeliveryCompleted, FulfilmentCompleted, OrderPlaced, ParcelAccepted, ProfileUpdated
from schemas.state import Fact
from tests.links_network import END, WAIT, Network, Telling, chance, fact_of, sure, tick_of, truth, write

lawful = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck), print_blob=True)
PHONES = {"ann": "+1 212 555 0101", "bob": "(212) 555-0102"}
SIZES = st.sampled_from((1, 3))


@st.composite
def worlds(draw: st.DrawFn) -> list[Telling]:
    """Events in the order in which they are heard, each timed within the wait; all can be linked."""
    said = []
    for number, (name, phone) in enumerate(PHONES.items()):
        said += [(name, *one) for one in sure(name, number, phone)]
        said += [(name, *one) for one in draw(st.lists(st.sampled_from(chance(name, phone)), max_size=6))]
    times = st.integers(START, START + WAIT - 1)
    return [
        Telling(draw(times), ch, data, knows, name, order)
        for name, ch, data, knows, order in draw(st.permutations(said))
    ]


@lawful
@given(worlds(), SIZES, st.randoms(use_true_random=False))
def test_whatever_comes_first_every_event_reaches_its_customer_with_its_order(
    world: list[Telling], size: int, random: Random
) -> None:
    network = Network(size, random)
    network.play(world)
    assert network.passages() == truth(world)
    assert not network.counts.provisional


@lawful
@given(worlds(), SIZES, st.randoms(use_true_random=False))
def test_partitions_taken_over_after_any_batch_send_the_same(world: list[Telling], size: int, random: Random) -> None:
    network = Network(size, random)
    batch = network.batch

    def taken_over(number: int, records: int) -> None:
        batch(number, records)
        network.resume(number)

    network.batch = taken_over  # type: ignore[method-assign]
    network.play(world)
    assert network.passages() == truth(world)


@lawful
@given(worlds(), SIZES, st.randoms(use_true_random=False), st.integers(0, 10))
def test_what_ingest_sends_again_after_a_restart_is_not_sent_on_twice(
    world: list[Telling], size: int, random: Random, since: int
) -> None:
    network = Network(size, random)
    for number, telling in enumerate(world):
        network.tell(number, telling)
        network.step()
    restarted = Network(size, random).router
    network.router = restarted
    for number, telling in list(enumerate(world))[since:]:
        if telling.knows is None or telling.knows.id is None:  # the others never came by here
            network.tell(number, telling)
            network.step()
    network.settle()
    network.tick(END)
    network.settle()
    assert network.passages() == truth(world)


def standing(alerts: Sequence[Alert]) -> dict[str, tuple[object, ...]]:
    """What remains said of each breach in the end."""
    last = {alert.id: alert for alert in alerts}
    return {
        name: (a.rule, a.customer, a.subject.id, a.status, a.resolution, a.due, a.ends_at)
        for name, a in last.items()
        if a.resolution != "retracted" and a.phase == "breach"
    }


def judged(network: Network, lateness: int) -> list[Alert]:
    """The alerts of one events partition that hears what the network sent."""
    feeds = [msgspec.structs.replace(feed, lateness_ms=lateness) for feed in with_links(network.feeds)]
    return detected(feeds, network.sent)


def detected(feeds: Sequence[object], records: Sequence[tuple[str, Event | TickData]]) -> list[Alert]:
    rows: dict[bytes, bytes] = {}
    partition = detector(RULES, feeds).partition(0, rows.get)  # type: ignore[arg-type]
    alerts: list[Alert] = []
    for customer, record in records:
        # By now each event is there once, in an order that has nothing to do with its origin.
        partition.feed(customer, msgspec.structs.replace(record, linked=True) if isinstance(record, Event) else record)
        work = partition.flush()
        alerts += work.alerts
        write(rows, work.rows)
    return alerts


def knowing_all(world: Sequence[Telling], feeds: Sequence[object]) -> list[tuple[str, Event | TickData]]:
    """The same events as a world tells them that knows customer and order of each."""
    records: list[tuple[str, Event | TickData]] = []
    for number, telling in enumerate(world):
        fact: Fact = fact_of(number, telling)
        if telling.order is not None:
            fact = msgspec.structs.replace(fact, data=msgspec.structs.replace(fact.data, order_id=telling.order))
        records.append((telling.customer, Event(fact, (number, 0))))
    return [*records, ("", tick_of(END, (feed.channel for feed in feeds)))]  # type: ignore[attr-defined]


@lawful
@given(worlds(), SIZES, st.randoms(use_true_random=False))
def test_the_verdict_is_that_of_a_world_that_knows_all(world: list[Telling], size: int, random: Random) -> None:
    network = Network(size, random)
    network.play(world, ticking=True)
    alerts = judged(network, WAIT)
    assert standing(alerts) == standing(detected(network.feeds, knowing_all(world, network.feeds)))


@st.composite
def backfills(draw: st.DrawFn) -> list[Telling]:
    """Events in the order of their times: first what makes all links, then hours and days of what needs them."""
    base = [(name, *one) for number, (name, phone) in enumerate(PHONES.items()) for one in sure(name, number, phone)]
    more = st.sampled_from([(name, *one) for name, phone in PHONES.items() for one in chance(name, phone)])
    gaps = st.sampled_from((SECOND, 5 * MINUTE, HOUR, 23 * HOUR))
    world, at = [], START
    for name, channel, data, knows, order in [*draw(st.permutations(base)), *draw(st.lists(more, max_size=12))]:
        at += draw(gaps) if len(world) >= len(base) else MINUTE
        world.append(Telling(at, channel, data, knows, name, order))
    return world


@lawful
@given(backfills(), st.randoms(use_true_random=False))
def test_a_backfill_raises_no_alert_that_must_be_taken_back(world: list[Telling], random: Random) -> None:
    """Days pass between two batches of a partition, and what one tells another is still under way."""
    network = Network(3, random)
    network.play(world, ticking=True)
    assert network.passages() == truth(world)
    assert not [alert for alert in judged(network, 0) if alert.resolution == "retracted"]


@st.composite
def leaps(draw: st.DrawFn) -> list[Telling]:
    """Orders placed under a card and told of by their labels, hours apart, in any order of arrival."""
    said: list[Telling] = []
    for name in PHONES:
        card, order, parcel = Customer(id=name, loyalty_id=name), f"{name}-o", f"{name}-t"
        hours = sorted(draw(st.lists(st.integers(0, 72), min_size=5, max_size=5)))
        for hour, channel, data, knows, about in (
            (hours[0], "crm", ProfileUpdated("phone", 1), card, None),
            (hours[1], "store", OrderPlaced(order, "delivery"), Customer(loyalty_id=name), order),
            (hours[2], "warehouse", FulfilmentCompleted(order, None, parcel), None, order),
            (hours[3], "carrier", ParcelAccepted(tracking_id=parcel), None, order),
            (hours[4], "carrier", DeliveryCompleted(None, None, parcel), None, order),
        ):
            said.append(Telling(START + hour * HOUR, channel, data, knows, name, about))
    return draw(st.permutations(said))


@lawful
@given(leaps(), SIZES, st.randoms(use_true_random=False))
def test_no_wait_is_over_while_what_ends_it_is_under_way(world: list[Telling], size: int, random: Random) -> None:
    """From a card to an order to its parcel, while time leaps by hours: nothing is moved from where it went in vain."""
    network = Network(size, random)
    network.play(world, ticking=True)
    assert network.passages() == truth(world)
