"""Healthy journeys: what a retailer's customers live through on a day on which everything is handed over well.

Each tells a story from its cursor on. They are what faults (`app.simulate.faults`) break, so each keeps clear of every
window of the catalogue by a good margin.
"""

from app.core.rule import DAY, HOUR, MINUTE, SECOND
from app.simulate.story import Step, Story, Teller
from schemas.codec import to_time
from schemas.events import (
    AccountChanged,
    BayAssigned,
    BayFull,
    Channel,
    CustomerArrived,
    DeliveryAttempted,
    DeliveryCancelled,
    DeliveryCompleted,
    DeliveryRescheduled,
    DeliveryScheduled,
    FulfilmentCompleted,
    Line,
    NotificationSent,
    OrderCancelled,
    OrderChanged,
    OrderCollected,
    OrderPlaced,
    OrderReady,
    OrderVisible,
    ParcelAccepted,
    ProductIssued,
    ProductRequested,
    ProfileSynced,
    ProfileUpdated,
    SessionHandedOff,
    SessionResumed,
)

START = 1_772_431_200_000
"""Every simulated day begins on 2026-03-02 at 06:00 UTC, ms."""
NEXT_MORNING = START + DAY + 2 * HOUR
LOST = 2 * HOUR
"""How long a record is kept back that comes far too late and yet does no harm, ms."""

SELLING: tuple[Channel, ...] = ("web", "app", "store")
SYNCED: tuple[Channel, ...] = ("web", "app", "store", "phone", "crm")
"""The channels that take over a profile change."""
LOCATIONS = tuple(f"s{number:02}" for number in range(1, 25))
BASKETS: tuple[tuple[Line, ...], ...] = tuple(
    tuple(Line(str(n + 1), f"sku-{(7 * b + 31 * n) % 400:03}", 1 + (b + n) % 3) for n in range(1 + b % 3))
    for b in range(360)
)
PROFILE_FIELDS = ("address", "email", "phone", "name", "consent")
PRODUCTS = ("debit-card", "credit-card", "gift-card", "loyalty-card")
ACCOUNT_PARTS = ("card", "tariff", "limit", "terms")


def place(s: Story, channel: Channel | None = None, **fields: object) -> OrderPlaced:
    """An order, and its confirmation."""
    placed = OrderPlaced(s.order, lines=s.among(BASKETS), **fields)  # type: ignore[arg-type]
    s.say(channel or s.among(SELLING), placed)
    return placed


def for_the_desk(s: Story, fulfilment: str) -> str:
    """An order to be collected, until it is ready. Gives the location."""
    location: str = s.among(LOCATIONS)
    place(s, fulfilment=fulfilment, location_id=location, promised_to=to_time(s.at + 3 * HOUR))
    s.wait(2 * SECOND, MINUTE)
    s.say("notification", NotificationSent("confirmation", s.order))
    s.wait(10 * SECOND, 4 * MINUTE)
    s.say("pickup", OrderVisible(s.order, location))
    s.wait(15 * MINUTE, 75 * MINUTE)
    s.say("pickup", OrderReady(s.order, location))
    s.wait(5 * SECOND, MINUTE)
    s.say("notification", NotificationSent("reminder", s.order))
    s.wait(5 * MINUTE, 90 * MINUTE)
    return location


def pickup(s: Story) -> None:
    """Ordered, and fetched from the pickup desk."""
    location = for_the_desk(s, "pickup")
    s.say("pickup", CustomerArrived(s.order, location))
    s.wait(30 * SECOND, 4 * MINUTE)
    s.say("pickup", OrderCollected(s.order, location))


def walked_in(s: Story) -> None:
    """Ordered, and fetched by somebody who simply walks up to the desk."""
    location = for_the_desk(s, "pickup")
    s.say("pickup", OrderCollected(s.order, location), held=LOST if s.chance(0.05) else 0)


def curbside(s: Story) -> None:
    """Ordered, and brought to the car; now and then all bays are taken for a moment."""
    location = for_the_desk(s, "curbside")
    s.say("pickup", CustomerArrived(s.order, location))
    if s.chance(0.2):
        s.wait(5 * SECOND, 30 * SECOND)
        s.say("pickup", BayFull(s.order, location))
    s.wait(20 * SECOND, 3 * MINUTE)
    s.say("pickup", BayAssigned(s.order, location, f"bay-{s.among('123456')}"))
    s.wait(MINUTE, 6 * MINUTE)
    s.say("pickup", OrderCollected(s.order, location))


def ordered_for_delivery(s: Story, window_from: int, packages: int = 1) -> None:
    """An order to be delivered in a window of two hours from then on (ms), confirmed, and handed to the carrier."""
    placed = place(s, fulfilment="delivery", ship_by=to_time(s.at + 8 * HOUR))
    s.wait(5 * SECOND, 3 * MINUTE)
    window = (to_time(window_from), to_time(window_from + 2 * HOUR))
    s.say("carrier", DeliveryScheduled(s.order, None, None, *window))
    s.wait(5 * SECOND, 2 * MINUTE)
    s.say("notification", NotificationSent("confirmation", s.order, None, *window))
    hand_over(s, placed.lines, packages)


def hand_over(s: Story, lines: tuple[Line, ...], packages: int) -> None:
    """The warehouse packs what was ordered into one package, or splits it into several; the carrier takes each."""
    for number, part in enumerate(split(lines, packages), 1):
        s.wait(10 * MINUTE, 25 * MINUTE)
        package = f"{s.order}-p{number}"
        s.say("warehouse", FulfilmentCompleted(s.order, package, f"t-{package}", s.among(("w1", "w2")), part))
        taken = s.at + 5 * MINUTE + int(s.rng.random() * 30 * MINUTE)
        held = LOST if s.chance(0.02) else 0
        s.steps.append(Step(taken, "carrier", ParcelAccepted(s.order, package, f"t-{package}"), held))


def split(lines: tuple[Line, ...], packages: int) -> list[tuple[Line, ...]]:
    """Shares the units of an order out over packages: every unit once, and no package empty."""
    units = [Line(line.line_id, line.sku, 1) for line in lines for _ in range(int(line.quantity))]
    parts = [units[n::packages] for n in range(min(packages, len(units)))]
    return [tuple(Line(line, sku, n) for (line, sku), n in _counted(part).items()) for part in parts]


def _counted(units: list[Line]) -> dict[tuple[str, str | None], int]:
    counted: dict[tuple[str, str | None], int] = {}
    for unit in units:
        counted[unit.line_id, unit.sku] = counted.get((unit.line_id, unit.sku), 0) + 1
    return counted


def remind(s: Story, window_from: int) -> None:
    """A reminder of the window that begins then (ms), some time before it."""
    s.at = max(s.at, window_from - HOUR) + MINUTE
    window = (to_time(window_from), to_time(window_from + 2 * HOUR))
    s.say("notification", NotificationSent("reminder", s.order, None, *window))


def arrive(s: Story, window_from: int) -> None:
    """The carrier rings within the window that begins then (ms)."""
    s.at = max(s.at, window_from)
    s.wait(MINUTE, 50 * MINUTE)
    for parcel in parcels(s):
        s.say("carrier", DeliveryCompleted(*parcel))
        s.wait(SECOND, 5 * SECOND)


def parcels(s: Story) -> list[tuple[str, str | None, str | None]]:
    """Order, package and tracking id of each parcel that the warehouse handed over."""
    packed = (step.data for step in s.steps if isinstance(step.data, FulfilmentCompleted))
    return [(done.order_id, done.package_id, done.tracking_id) for done in packed]


def soon(s: Story) -> int:
    """The beginning of a window on the same day, ms: a quarter of an hour, some hours ahead."""
    quarter = 15 * MINUTE
    return (s.at + 4 * HOUR) // quarter * quarter


def delivery(s: Story) -> None:
    """Ordered, and brought to the door on the same day."""
    delivered_in(s.among((1, 1, 1, 2, 3)))(s)


def delivered_in(packages: int) -> Teller:
    """Ordered, and brought on the same day in so many packages."""

    def tell(s: Story) -> None:
        window_from = soon(s)
        ordered_for_delivery(s, window_from, packages)
        remind(s, window_from)
        arrive(s, window_from)

    return tell


def second_attempt(s: Story) -> None:
    """Nobody at home; the carrier comes again the next morning."""
    window_from = soon(s)
    ordered_for_delivery(s, window_from)
    s.at = max(s.at, window_from + 20 * MINUTE)
    s.say("carrier", DeliveryAttempted(*parcels(s)[0]))
    s.wait(5 * MINUTE, 20 * MINUTE)
    move_window(s, NEXT_MORNING, "customer")
    arrive(s, NEXT_MORNING)


def move_window(s: Story, window_from: int, by: str) -> None:
    """The delivery is moved to the window that begins then (ms), and the customer is told."""
    window = (to_time(window_from), to_time(window_from + 2 * HOUR))
    s.say("carrier", DeliveryRescheduled(s.order, None, None, *window, by=by))  # type: ignore[arg-type]
    s.wait(MINUTE, 12 * MINUTE)
    s.say("notification", NotificationSent("change", s.order, None, *window))


def moved_by_customer(s: Story) -> None:
    """The customer asks for another window, and gets it."""
    window_from = soon(s)
    ordered_for_delivery(s, window_from)
    s.wait(5 * MINUTE, 20 * MINUTE)
    move_window(s, window_from + 2 * HOUR, "customer")
    remind(s, window_from + 2 * HOUR)
    arrive(s, window_from + 2 * HOUR)


def moved_by_us(s: Story) -> None:
    """We move a delivery of the next day well ahead, and say so at once."""
    ordered_for_delivery(s, NEXT_MORNING + 4 * HOUR)
    s.wait(MINUTE, 10 * MINUTE)
    move_window(s, NEXT_MORNING + 2 * HOUR, "us")
    remind(s, NEXT_MORNING + 2 * HOUR)
    arrive(s, NEXT_MORNING + 2 * HOUR)


def changed_order(s: Story) -> None:
    """The customer wants one more of the first line before it is packed."""
    window_from = soon(s)
    placed = place(s, fulfilment="delivery", ship_by=to_time(s.at + 8 * HOUR))
    s.wait(MINUTE, 5 * MINUTE)
    first = placed.lines[0]
    more = Line(first.line_id, first.sku, first.quantity + 1)
    s.say(s.among(SELLING), OrderChanged(s.order, lines=(more,)))
    hand_over(s, (more, *placed.lines[1:]), 2)
    window = (to_time(window_from), to_time(window_from + 2 * HOUR))
    s.say("carrier", DeliveryScheduled(s.order, None, None, *window))
    remind(s, window_from)
    arrive(s, window_from)


def cancelled_in_time(s: Story) -> None:
    """The customer thinks better of it before anything is packed."""
    fulfilment = s.among(("pickup", "curbside", "delivery"))
    channel = s.among(SELLING)
    location = None if fulfilment == "delivery" else s.among(LOCATIONS)
    place(s, channel, fulfilment=fulfilment, location_id=location, promised_to=to_time(s.at + 3 * HOUR))
    s.wait(30 * SECOND, 3 * MINUTE)
    s.say(channel, OrderCancelled(s.order))
    s.wait(SECOND, 5 * MINUTE)
    s.say("notification", NotificationSent("cancellation", s.order))


def cancelled_by_us(s: Story) -> None:
    """Sold out: we cancel the delivery early, and say so."""
    place(s, "web", fulfilment="delivery", ship_by=to_time(s.at + 8 * HOUR))
    s.wait(5 * MINUTE, 20 * MINUTE)
    s.say("warehouse", OrderCancelled(s.order, by="us"))
    s.wait(SECOND, MINUTE)
    s.say("carrier", DeliveryCancelled(s.order, by="us"))
    s.wait(MINUTE, 10 * MINUTE)
    s.say("notification", NotificationSent("cancellation", s.order))


def profile_change(s: Story) -> None:
    """The customer moves house, and every channel learns of it."""
    profile_changed(s.among(PROFILE_FIELDS), s.among(SYNCED[:3]))(s)


def profile_changed(field: str, origin: Channel) -> Teller:
    """A field changed in a channel, and taken over by all others."""

    def tell(s: Story) -> None:
        version, began = 1 + int(s.rng.random() * 9), s.at
        s.say(origin, ProfileUpdated(field, version))
        for channel in SYNCED:
            if channel != origin:
                s.at = began
                s.wait(SECOND, 3 * MINUTE)
                s.say(channel, ProfileSynced(field, version))

    return tell


def product_request(s: Story) -> None:
    """Asked for, and issued."""
    product = s.among(PRODUCTS)
    s.say(s.among(SELLING), ProductRequested(product, f"r-{s.customer}"))
    s.wait(10 * MINUTE, 3 * HOUR)
    s.say("crm", ProductIssued(product, f"r-{s.customer}"))


def account_change(s: Story) -> None:
    """Something of the account is changed, and was announced before."""
    account_changed(s.among(ACCOUNT_PARTS))(s)


def account_changed(what: str) -> Teller:
    """A part of the account is announced to change, and then changes."""

    def tell(s: Story) -> None:
        s.say("notification", NotificationSent("change", None, what))
        s.wait(10 * MINUTE, 5 * HOUR)
        s.say("crm", AccountChanged(what))

    return tell


def cart_handoff(s: Story) -> None:
    """Begun here, gone on with there."""
    here, there = s.among((("app", "web"), ("web", "app"), ("app", "store")))
    digest = f"{int(s.rng.random() * 2**32):08x}"
    s.say(here, SessionHandedOff(s.cart, there, digest))
    s.wait(300, 7 * SECOND)
    s.say(there, SessionResumed(s.cart, digest))


MIX: tuple[tuple[Teller, int], ...] = (
    (pickup, 9),
    (walked_in, 9),
    (curbside, 14),
    (delivery, 19),
    (second_attempt, 3),
    (moved_by_customer, 3),
    (moved_by_us, 2),
    (changed_order, 3),
    (cancelled_in_time, 4),
    (cancelled_by_us, 1),
    (profile_change, 8),
    (product_request, 5),
    (account_change, 5),
    (cart_handoff, 15),
)
"""How often each is told; contacts come beside them (`app.simulate.contacts`)."""
