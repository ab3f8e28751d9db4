"""Faults in which something owed does not come, or comes late (H1). See `app.simulate.faults`."""

from typing import Any

from app.core.rule import HOUR, MINUTE
from app.simulate.contacts import HELPLINES, answered_on, asked_to_act, put_through
from app.simulate.faults import CART, CONTACT, ORDER, About, Break, Fault, fault
from app.simulate.journeys import (
    NEXT_MORNING,
    cancelled_by_us,
    cart_handoff,
    curbside,
    delivered_in,
    delivery,
    moved_by_us,
    pickup,
    profile_changed,
)
from app.simulate.story import change, cut, drop, hold, move, put, the, then
from schemas.codec import to_time
from schemas.events import (
    ActionAcknowledged,
    BayAssigned,
    BayFull,
    Channel,
    ContactAccepted,
    ContactAnswered,
    ContactOpened,
    ContactResolved,
    ContactTransferred,
    CustomerArrived,
    DeliveryCancelled,
    DeliveryCompleted,
    DeliveryRescheduled,
    DeliveryScheduled,
    FulfilmentCompleted,
    NotificationSent,
    OrderCancelled,
    OrderCollected,
    OrderPlaced,
    OrderReady,
    OrderVisible,
    ParcelAccepted,
    ProfileSynced,
    SessionResumed,
)

PLACED, VISIBLE, READY, COLLECTED = the(OrderPlaced), the(OrderVisible), the(OrderReady), the(OrderCollected)
ARRIVED, BAY, BAY_FULL = the(CustomerArrived), the(BayAssigned), the(BayFull)
FULFILLED, SCANNED, DELIVERED = the(FulfilmentCompleted), the(ParcelAccepted), the(DeliveryCompleted)
SCHEDULED, TOLD, REMINDED = the(DeliveryScheduled), the(NotificationSent), the(NotificationSent, kind="reminder")
NOTICE = the(NotificationSent, kind="change")


def given_up(last: Any) -> OrderCancelled:
    """The customer cancels that order."""
    return OrderCancelled(last.order_id)


_unseen, _unready, _waiting = (Break(rule, ORDER) for rule in ("H101", "H102", "H103"))
_after = [move(ARRIVED, 4 * HOUR), move(COLLECTED, 4 * HOUR), drop(REMINDED)]
DESK: tuple[Fault, ...] = (
    fault(
        "the desk never sees it",
        pickup,
        [change(PLACED, promised_to=None), cut(PLACED, MINUTE), drop(VISIBLE)],
        [_unseen],
    ),
    fault("the desk finds it by luck", pickup, [drop(VISIBLE)], [Break("H101", ORDER, "late")]),
    fault(
        "the desk never hears of it; the customer comes for nothing",
        curbside,
        [drop(VISIBLE, READY, BAY, BAY_FULL, COLLECTED)],
        [_unseen, _unready, _waiting],
    ),
    fault("the desk sees it late", curbside, [move(VISIBLE, 12 * MINUTE)], [Break("H101", ORDER, "late")]),
    fault("the desk's record comes late", pickup, [hold(VISIBLE, 4 * HOUR)], [Break("H101", ORDER, "retracted")]),
    fault(
        "unseen until the customer gives up",
        pickup,
        [cut(PLACED, MINUTE), drop(VISIBLE), then(PLACED, 25 * MINUTE, "web", given_up)],
        [Break("H101", ORDER, "cancelled")],
    ),
    fault("never ready", pickup, [cut(VISIBLE)], [_unready]),
    fault("ready late", pickup, [move(READY, 3 * HOUR), *_after], [Break("H102", ORDER, "late")]),
    fault(
        "ready in the nick of time",
        pickup,
        [put(READY, PLACED, 175 * MINUTE), *_after],
        [Break("H102", ORDER, "averted")],
    ),
    fault(
        "ready, and nobody hears of it for hours",
        pickup,
        [cut(READY), hold(READY, 6 * HOUR)],
        [Break("H102", ORDER, "retracted")],
    ),
    fault(
        "unready until the customer gives up",
        pickup,
        [cut(VISIBLE), then(PLACED, 220 * MINUTE, "app", given_up)],
        [Break("H102", ORDER, "cancelled")],
    ),
    fault("waiting in the car", curbside, [drop(BAY, BAY_FULL, COLLECTED)], [_waiting]),
    fault(
        "waiting in the car, all bays full",
        curbside,
        [drop(BAY, BAY_FULL, COLLECTED), then(ARRIVED, MINUTE, "pickup", lambda a: BayFull(a.order_id, a.location_id))],
        [_waiting],
    ),
    fault(
        "a bay after nine minutes",
        curbside,
        [put(BAY, ARRIVED, 9 * MINUTE), move(COLLECTED, 15 * MINUTE)],
        [Break("H103", ORDER, "late")],
    ),
    fault(
        "a bay, and nobody hears of it",
        curbside,
        [hold(BAY, 3 * HOUR), hold(COLLECTED, 3 * HOUR)],
        [Break("H103", ORDER, "retracted")],
    ),
)
"""H101 order-not-visible, H102 order-not-ready, H103 curbside-wait."""

_about, _acknowledged = About("requests", "o-{}"), the(ActionAcknowledged)
REQUESTS: tuple[Fault, ...] = (
    *(
        fault(f"asked by {channel}, never done", asked_to_act(channel), [drop(_acknowledged)], [Break("H104", _about)])
        for channel in HELPLINES
    ),
    *(
        fault(
            f"asked by {channel}, done late",
            asked_to_act(channel),
            [move(_acknowledged, 20 * MINUTE)],
            [Break("H104", _about, "late")],
        )
        for channel in HELPLINES
    ),
    fault(
        "done, and nobody hears of it",
        asked_to_act("phone"),
        [hold(_acknowledged, 4 * HOUR)],
        [Break("H104", _about, "retracted")],
    ),
)
"""H104 request-not-fulfilled."""


LIMITS: dict[Channel, int] = {"chat": 2 * MINUTE, "phone": 5 * MINUTE, "social": HOUR, "email": 4 * HOUR}

"""How long each channel may take to answer, ms."""
_PATHS: tuple[tuple[Channel, Channel], ...] = (("chat", "phone"), ("phone", "store"), ("email", "social"))
_answered, _resolved, _accepted = the(ContactAnswered), the(ContactResolved), the(ContactAccepted)
CONTACTS: tuple[Fault, ...] = (
    *(
        fault(f"{channel} never answers", answered_on(channel), [cut(the(ContactOpened))], [Break("H105", CONTACT)])
        for channel in HELPLINES
    ),
    *(
        fault(
            f"{channel} answers late",
            answered_on(channel),
            [move(_answered, LIMITS[channel]), move(_resolved, LIMITS[channel])],
            [Break("H105", CONTACT, "late")],
        )
        for channel in HELPLINES
    ),
    *(
        fault(
            f"{channel} answered, and nobody hears of it",
            answered_on(channel),
            [hold(_answered, LIMITS[channel] + 3 * HOUR), hold(_resolved, LIMITS[channel] + 3 * HOUR)],
            [Break("H105", CONTACT, "retracted")],
        )
        for channel in HELPLINES
        if channel != "social"
    ),
    *(
        fault(
            f"put through from {here} to {there}, into the void",
            put_through(here, there),
            [cut(the(ContactTransferred))],
            [Break("H106", CONTACT)],
        )
        for here, there in _PATHS
    ),
    *(
        fault(
            f"put through from {here} to {there}, taken on late",
            put_through(here, there),
            [move(_accepted, 15 * MINUTE), move(_resolved, 15 * MINUTE)],
            [Break("H106", CONTACT, "late")],
        )
        for here, there in _PATHS
    ),
    fault(
        "taken on, and nobody hears of it",
        put_through("chat", "phone"),
        [hold(_accepted, 4 * HOUR), hold(_resolved, 4 * HOUR)],
        [Break("H106", CONTACT, "retracted")],
    ),
)
"""H105 contact-unanswered, H106 dropped-transfer."""

_morning = (to_time(NEXT_MORNING), to_time(NEXT_MORNING + 2 * HOUR))
_untold = Break("H110", ORDER)
DELIVERIES: tuple[Fault, ...] = (
    fault("nobody comes", delivery, [drop(DELIVERED)], [Break("H107", ORDER)]),
    fault("they come too late", delivery, [move(DELIVERED, 4 * HOUR)], [Break("H107", ORDER, "late")]),
    fault(
        "they came, and nobody hears of it",
        delivery,
        [hold(DELIVERED, 6 * HOUR)],
        [Break("H107", ORDER, "retracted")],
    ),
    fault(
        "nobody comes, and the next morning nobody again",
        delivery,
        [
            drop(DELIVERED),
            then(
                REMINDED,
                5 * HOUR,
                "carrier",
                lambda r: DeliveryRescheduled(r.order_id, None, None, *_morning, "customer"),
            ),
        ],
        [Break("H107", ORDER, "cancelled"), Break("H107", ORDER)],
    ),
    fault(
        "they come when they were given up",
        delivery,
        [put(DELIVERED, REMINDED, 208 * MINUTE)],
        [Break("H107", ORDER, "averted")],
    ),
    fault("moved by us, and nobody told", moved_by_us, [drop(NOTICE, REMINDED)], [_untold]),
    fault("moved by us, and told late", moved_by_us, [move(NOTICE, HOUR)], [Break("H110", ORDER, "late")]),
    fault(
        "moved by us, told, and nobody hears of it",
        moved_by_us,
        [hold(NOTICE, 4 * HOUR)],
        [Break("H110", ORDER, "retracted")],
    ),
    fault("cancelled by us, and nobody told", cancelled_by_us, [drop(TOLD, the(DeliveryCancelled))], [_untold]),
)
"""H107 delivery-no-show, H110 customer-not-told."""

_promised = drop(SCHEDULED, TOLD, DELIVERED)
_early = 2 * HOUR
DISPATCH: tuple[Fault, ...] = (
    fault("never dispatched", delivery, [cut(PLACED)], [Break("H111", ORDER)]),
    fault(
        "promised, reminded, and never dispatched",
        delivery,
        [drop(FULFILLED, SCANNED, DELIVERED)],
        [Break("H111", ORDER), Break("H107", ORDER)],
    ),
    fault(
        "dispatched at the last moment",
        delivered_in(1),
        [_promised, put(FULFILLED, PLACED, 470 * MINUTE), put(SCANNED, PLACED, 490 * MINUTE)],
        [Break("H111", ORDER, "averted")],
    ),
    fault(
        "dispatched late",
        delivered_in(1),
        [_promised, move(FULFILLED, 9 * HOUR), move(SCANNED, 9 * HOUR)],
        [Break("H111", ORDER, "late")],
    ),
    fault(
        "dispatched, and nobody hears of it",
        delivered_in(1),
        [_promised, hold(FULFILLED, 11 * HOUR), hold(SCANNED, 11 * HOUR)],
        [Break("H111", ORDER, "retracted")],
    ),
    fault(
        "not dispatched until the customer gives up",
        delivery,
        [cut(PLACED), then(PLACED, 9 * HOUR, "web", given_up)],
        [Break("H111", ORDER, "cancelled")],
    ),
    fault("lost on the ramp", delivered_in(1), [_promised, drop(SCANNED)], [Break("H112", ORDER)], before=_early),
    fault(
        "found on the ramp after a day",
        delivered_in(1),
        [_promised, move(SCANNED, 25 * HOUR)],
        [Break("H112", ORDER, "late")],
        before=_early,
    ),
    fault(
        "scanned, and nobody hears of it for a day",
        delivered_in(1),
        [_promised, hold(SCANNED, 27 * HOUR)],
        [Break("H112", ORDER, "retracted")],
        before=_early,
    ),
)
"""H111 order-not-dispatched, H112 parcel-forgotten."""

_address, _resumed = About("profile", "address"), the(SessionResumed)
_moved_house = profile_changed("address", "app")
_web, _store = the(ProfileSynced, "web"), the(ProfileSynced, "store")
SHARED: tuple[Fault, ...] = (
    fault("the new address never reaches the store", _moved_house, [drop(_store)], [Break("H108", _address)]),
    fault(
        "the new address never reaches store and web",
        _moved_house,
        [drop(_web, _store)],
        [Break("H108", _address), Break("H108", _address)],
    ),
    fault("the new address is late on the web", _moved_house, [move(_web, HOUR)], [Break("H108", _address, "late")]),
    fault(
        "the new address reached the store, and nobody hears of it",
        _moved_house,
        [hold(_store, 4 * HOUR)],
        [Break("H108", _address, "retracted")],
    ),
    fault("the cart does not follow", cart_handoff, [drop(_resumed)], [Break("H109", CART)]),
    fault("the cart follows late", cart_handoff, [move(_resumed, 30_000)], [Break("H109", CART, "late")]),
    fault(
        "the cart followed, and nobody hears of it",
        cart_handoff,
        [hold(_resumed, 3 * HOUR)],
        [Break("H109", CART, "retracted")],
    ),
)
"""H108 profile-not-shared, H109 journey-not-resumed."""


OWED: tuple[Fault, ...] = (*DESK, *REQUESTS, *CONTACTS, *DELIVERIES, *DISPATCH, *SHARED)
