"""Faults in which something happens too often, out of order, or at odds with another channel (H2, H3, H4).

See `app.simulate.faults`.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import msgspec

from app.core.rule import HOUR, MINUTE
from app.simulate.contacts import handed, opened
from app.simulate.faults import CART, CONTACT, ORDER, REQUEST, SECOND_ORDER, About, Break, Fault, fault
from app.simulate.journeys import (
    SELLING,
    account_changed,
    arrive,
    cart_handoff,
    changed_order,
    curbside,
    delivered_in,
    move_window,
    moved_by_customer,
    ordered_for_delivery,
    pickup,
    product_request,
    remind,
    soon,
)
from app.simulate.owed import (
    ARRIVED,
    COLLECTED,
    DELIVERED,
    FULFILLED,
    PLACED,
    READY,
    REMINDED,
    SCANNED,
    SCHEDULED,
    TOLD,
    VISIBLE,
    given_up,
)
from app.simulate.story import (
    Edit,
    Step,
    Steps,
    Story,
    Teller,
    Which,
    change,
    drop,
    hold,
    move,
    put,
    rewrite,
    the,
    then,
)
from schemas.events import (
    AccountChanged,
    Channel,
    ContactResolved,
    DeliveryCancelled,
    DeliveryRescheduled,
    FulfilmentCompleted,
    NotificationSent,
    OrderChanged,
    OrderPlaced,
    OrderReady,
    OrderVisible,
    ParcelAccepted,
    ProductIssued,
    ProductRequested,
    SessionResumed,
)

ELSEWHERE = "s99"


def of_another_package(fulfilled: FulfilmentCompleted) -> FulfilmentCompleted:
    """The first line again, in a package of its own."""
    package = f"{fulfilled.package_id}-again"
    return msgspec.structs.replace(fulfilled, package_id=package, tracking_id=f"t-{package}", lines=fulfilled.lines[:1])


def taken(fulfilled: FulfilmentCompleted) -> ParcelAccepted:
    """The carrier takes that package."""
    return ParcelAccepted(fulfilled.order_id, fulfilled.package_id, fulfilled.tracking_id)


def with_lines(step: Step, **fields: Any) -> Step:
    """The same fulfilment, with something else said of its first line."""
    first, *others = step.data.lines  # type: ignore[attr-defined]
    lines = (msgspec.structs.replace(first, **fields), *others)
    return msgspec.structs.replace(step, data=msgspec.structs.replace(step.data, lines=lines))


def placed_again(by: int, *, elsewhere: bool = True) -> Edit:
    """The whole journey a second time, for a second order that is placed so much later (ms), as a rule elsewhere."""

    def copy(step: Step) -> Step:
        data: Any = step.data
        channel = step.channel
        if isinstance(data, OrderPlaced) and elsewhere:
            channel = SELLING[(SELLING.index(channel) + 1) % len(SELLING)]
        return Step(step.at + by, channel, msgspec.structs.replace(data, order_id=f"{data.order_id}-2"))

    def edit(steps: Sequence[Step]) -> Steps:
        return [*steps, *map(copy, steps)]

    return edit


def for_the_door(placed: OrderPlaced) -> OrderPlaced:
    """The same basket in a second order, to be delivered."""
    return msgspec.structs.replace(placed, order_id=f"{placed.order_id}-2", fulfilment="delivery", location_id=None)


def elsewhere(*which: Which) -> Edit:
    """It happened at another location."""
    there = [change(one, location_id=ELSEWHERE) for one in which]
    return lambda steps: reduce(lambda done, edit: edit(done), there, list(steps))


def passed_on(*channels: Channel) -> Teller:
    """A contact that goes through all of these channels, until somebody sees to it."""

    def tell(s: Story) -> None:
        opened(s, channels[0])
        for here, there in pairwise(channels):
            handed(s, here, there)
        s.say(channels[-1], ContactResolved(s.case))

    return tell


def moved_at_the_last_moment(s: Story) -> None:
    """Confirmed, and then moved by us a few hours before."""
    window_from = soon(s)
    ordered_for_delivery(s, window_from)
    move_window(s, window_from + HOUR, "us")
    arrive(s, window_from + HOUR)


def cancelled_at_the_last_moment(s: Story) -> None:
    """Confirmed, reminded, and then cancelled by us just before."""
    window_from = soon(s)
    ordered_for_delivery(s, window_from)
    remind(s, window_from)
    s.wait(MINUTE, 10 * MINUTE)
    s.say("carrier", DeliveryCancelled(s.order, by="us"))
    s.wait(MINUTE, 10 * MINUTE)
    s.say("notification", NotificationSent("cancellation", s.order))


def reminded_of_the_old_window(*, righted: bool) -> Teller:
    """Moved for the customer, who is reminded of the window that was, and then perhaps of the one that is."""

    def tell(s: Story) -> None:
        window_from = soon(s)
        ordered_for_delivery(s, window_from)
        move_window(s, window_from + 3 * HOUR, "customer")
        remind(s, window_from)
        if righted:
            remind(s, window_from + 3 * HOUR)
        arrive(s, window_from + 3 * HOUR)

    return tell


_bounced, _unresolved = Break("H203", CONTACT), drop(the(ContactResolved))
TOO_OFTEN: tuple[Fault, ...] = (
    fault(
        "two sets arrive",
        delivered_in(1),
        [then(FULFILLED, 40 * MINUTE, "warehouse", of_another_package), then(FULFILLED, 20 * MINUTE, "carrier", taken)],
        [Break("H201", ORDER)],
    ),
    fault(
        "too many in the package",
        delivered_in(1),
        [rewrite(FULFILLED, lambda s: with_lines(s, quantity=9))],
        [Break("H201", ORDER)],
    ),
    fault("placed again elsewhere", pickup, [placed_again(4 * MINUTE)], [Break("H202", SECOND_ORDER)]),
    fault(
        "placed again elsewhere, and cancelled there",
        curbside,
        [
            rewrite(PLACED, lambda s: msgspec.structs.replace(s, channel="web")),
            then(PLACED, 4 * MINUTE, "app", for_the_door),
            then(PLACED, 5 * MINUTE, "app", given_up),
        ],
        [Break("H202", SECOND_ORDER, "cancelled")],
    ),
    fault("there and back", passed_on("chat", "phone", "chat"), [], [Break("H203", CONTACT, "late")]),
    fault("through three channels", passed_on("email", "phone", "store"), [_unresolved], [_bounced]),
    fault("passed on three times", passed_on("social", "chat", "phone", "store"), [_unresolved], [_bounced]),
)
"""H201 duplicate-fulfilment, H202 duplicate-order, H203 contact-bounced."""

_card, _replaced = About("account", "card"), account_changed("card")
OUT_OF_ORDER: tuple[Fault, ...] = (
    fault("the card is replaced, and nobody said so", _replaced, [drop(TOLD)], [Break("H301", _card)]),
    fault(
        "the card is replaced, and said so afterwards",
        _replaced,
        [put(TOLD, the(AccountChanged), 2 * HOUR)],
        [Break("H301", _card, "late")],
    ),
    fault(
        "the change was announced, and nobody hears of it",
        _replaced,
        [hold(TOLD, 9 * HOUR)],
        [Break("H301", _card, "retracted")],
    ),
    fault(
        "the order is changed by us, and nobody said so",
        changed_order,
        [change(the(OrderChanged), by="us")],
        [Break("H301", ORDER)],
    ),
    fault("moved by us at the last moment", moved_at_the_last_moment, [], [Break("H302", ORDER)]),
    fault("cancelled by us at the last moment", cancelled_at_the_last_moment, [], [Break("H302", ORDER)]),
    fault(
        "cancelled, and packed all the same",
        delivered_in(1),
        [drop(SCHEDULED, TOLD, DELIVERED), then(PLACED, 5 * MINUTE, "web", given_up)],
        [Break("H303", ORDER)],
    ),
    fault(
        "cancelled on its way, and delivered all the same",
        delivered_in(1),
        [drop(REMINDED), then(SCANNED, 10 * MINUTE, "web", given_up)],
        [Break("H303", ORDER)],
    ),
    fault(
        "cancelled, and collected all the same",
        pickup,
        [then(READY, 3 * MINUTE, "app", given_up), drop(REMINDED)],
        [Break("H303", ORDER)],
    ),
)
"""H301 unannounced-change, H302 late-cancellation, H303 fulfilled-after-cancel."""

_unknown = Break("H305", ORDER)
PROMISES: tuple[Fault, ...] = (
    fault("reminded of the old window", reminded_of_the_old_window(righted=False), [], [Break("H304", ORDER)]),
    fault(
        "reminded of the old window, and then of the new one",
        reminded_of_the_old_window(righted=True),
        [],
        [Break("H304", ORDER, "late")],
    ),
    fault(
        "moved, and nobody hears of it until after the reminder",
        moved_by_customer,
        [hold(the(DeliveryRescheduled), 9 * HOUR), put(DELIVERED, REMINDED, 55 * MINUTE)],
        [Break("H304", ORDER, "retracted")],
    ),
    fault("an order out of nowhere", pickup, [drop(PLACED)], [_unknown]),
    fault("a parcel out of nowhere", delivered_in(1), [drop(PLACED)], [_unknown]),
    fault("announced late", pickup, [move(PLACED, 40 * MINUTE)], [Break("H305", ORDER, "late")]),
    fault("announced, and nobody hears of it", pickup, [hold(PLACED, 4 * HOUR)], [Break("H305", ORDER, "retracted")]),
)
"""H304 stale-promise, H305 unknown-order."""

_wrong = [rewrite(FULFILLED, lambda s: with_lines(s, sku="sku-999"))]
_issued, _lost = the(ProductIssued), change(the(SessionResumed), digest="00000000")
_other = change(_issued, product="another-card")
AT_ODDS: tuple[Fault, ...] = (
    fault("another article in the package", delivered_in(1), _wrong, [Break("H401", ORDER)]),
    fault("another card than asked for", product_request, [_other], [Break("H401", REQUEST)]),
    fault(
        "another card than asked for, and then the right one",
        product_request,
        [_other, then(the(ProductRequested), 4 * HOUR, "crm", lambda r: ProductIssued(r.product, r.request_id))],
        [Break("H401", REQUEST, "late")],
    ),
    fault("an empty cart on the other side", cart_handoff, [_lost], [Break("H402", CART)]),
    fault(
        "the customer is at the wrong store", pickup, [elsewhere(ARRIVED, COLLECTED)], [Break("H403", ORDER, "late")]
    ),
    fault(
        "seen at the wrong store first",
        curbside,
        [then(PLACED, 5_000, "pickup", lambda p: OrderVisible(p.order_id, ELSEWHERE))],
        [Break("H403", ORDER, "late")],
    ),
    fault(
        "ready at two stores",
        pickup,
        [then(READY, 2 * MINUTE, "pickup", lambda r: OrderReady(r.order_id, ELSEWHERE))],
        [Break("H403", ORDER, "late")],
    ),
    fault(
        "moved to another store, and nobody hears of it",
        pickup,
        [
            elsewhere(VISIBLE, READY, ARRIVED, COLLECTED),
            then(PLACED, 5_000, "web", lambda p: OrderChanged(p.order_id, location_id=ELSEWHERE)),
            hold(the(OrderChanged), 2 * HOUR),
        ],
        [Break("H403", ORDER, "retracted"), Break("H101", ORDER, "retracted")],
    ),
)
"""H401 wrong-item, H402 context-lost, H403 wrong-location."""


WRONG: tuple[Fault, ...] = (*TOO_OFTEN, *OUT_OF_ORDER, *PROMISES, *AT_ODDS)
