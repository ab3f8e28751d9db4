"""Narrow escapes: journeys that keep each window to the millisecond, or look like a fault and are none."""

from app.core.rule import MINUTE, SECOND
from app.simulate.contacts import HELPLINES, answered_on, asked_to_act, put_through
from app.simulate.faults import Fault, fault
from app.simulate.journeys import (
    account_changed,
    cart_handoff,
    curbside,
    delivered_in,
    moved_by_us,
    pickup,
    profile_changed,
)
from app.simulate.owed import (
    ARRIVED,
    BAY,
    BAY_FULL,
    COLLECTED,
    FULFILLED,
    LIMITS,
    NOTICE,
    PLACED,
    SCANNED,
    TOLD,
    VISIBLE,
)
from app.simulate.story import drop, move, put, the, then
from app.simulate.wrong import placed_again
from schemas.events import (
    AccountChanged,
    ActionAcknowledged,
    ContactAccepted,
    ContactActionRequested,
    ContactAnswered,
    ContactOpened,
    ContactResolved,
    ContactTransferred,
    DeliveryRescheduled,
    ProfileSynced,
    ProfileUpdated,
    SessionHandedOff,
    SessionResumed,
)

_ANSWERED, _RESOLVED = the(ContactAnswered), the(ContactResolved)

ESCAPES: tuple[Fault, ...] = (
    fault("visible after just ten minutes", curbside, [put(VISIBLE, PLACED, 10 * MINUTE)], []),
    fault("a bay after just five minutes", curbside, [put(BAY, ARRIVED, 5 * MINUTE), move(COLLECTED, 5 * MINUTE)], []),
    fault(
        "collected at the car, with no bay", curbside, [drop(BAY, BAY_FULL), put(COLLECTED, ARRIVED, 3 * MINUTE)], []
    ),
    *(
        fault(
            f"{channel} answers at its limit",
            answered_on(channel),
            [put(_ANSWERED, the(ContactOpened), LIMITS[channel]), move(_RESOLVED, LIMITS[channel])],
            [],
        )
        for channel in HELPLINES
    ),
    fault(
        "acknowledged after just fifteen minutes",
        asked_to_act("chat"),
        [put(the(ActionAcknowledged), the(ContactActionRequested), 15 * MINUTE)],
        [],
    ),
    fault(
        "taken on after just ten minutes",
        put_through("phone", "chat"),
        [put(the(ContactAccepted), the(ContactTransferred), 10 * MINUTE), move(_RESOLVED, 10 * MINUTE)],
        [],
    ),
    fault(
        "taken over after just five minutes",
        profile_changed("phone", "web"),
        [put(the(ProfileSynced), the(ProfileUpdated), 5 * MINUTE)],
        [],
    ),
    fault(
        "resumed after just ten seconds",
        cart_handoff,
        [put(the(SessionResumed), the(SessionHandedOff), 10 * SECOND)],
        [],
    ),
    fault("told after just half an hour", moved_by_us, [put(NOTICE, the(DeliveryRescheduled), 30 * MINUTE)], []),
    fault("announced in the same moment", account_changed("terms"), [put(TOLD, the(AccountChanged), 0)], []),
    fault("ordered again after eleven minutes", pickup, [placed_again(11 * MINUTE)], []),
    fault("ordered again in the same place", pickup, [placed_again(4 * MINUTE, elsewhere=False)], []),
    fault(
        "one package reported twice",
        delivered_in(1),
        [then(FULFILLED, 10 * MINUTE, "warehouse", lambda fulfilled: fulfilled)],
        [],
    ),
    fault(
        "the scan before the booking",
        delivered_in(1),
        [put(SCANNED, FULFILLED, -10 * MINUTE)],
        [],
    ),
)
