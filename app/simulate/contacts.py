"""Contacts: customers who ask, and are answered, put through and helped as they should be."""

from app.core.rule import HOUR, MINUTE, SECOND
from app.simulate.journeys import delivery, pickup
from app.simulate.story import Story, Teller
from schemas.events import (
    ActionAcknowledged,
    Channel,
    ContactAccepted,
    ContactActionRequested,
    ContactAnswered,
    ContactOpened,
    ContactResolved,
    ContactTransferred,
)

HELPLINES: tuple[Channel, ...] = ("chat", "phone", "email", "social")
ANSWERED_IN: dict[Channel, tuple[int, int]] = {
    "chat": (5 * SECOND, 90 * SECOND),
    "phone": (10 * SECOND, 4 * MINUTE),
    "social": (MINUTE, 45 * MINUTE),
    "email": (10 * MINUTE, 3 * HOUR),
}
"""How soon a channel answers, ms: well within its own limit."""
REACHED: dict[Channel, tuple[Channel, ...]] = {
    "chat": ("phone", "store"),
    "phone": ("store", "chat"),
    "social": ("chat", "email"),
    "email": ("phone", "social"),
}
"""Where a channel puts customers through to."""


def opened(s: Story, channel: Channel, order: str | None = None) -> None:
    """A customer asks, and is answered."""
    s.say(channel, ContactOpened(s.case, order_id=order))
    s.wait(*ANSWERED_IN[channel])
    s.say(channel, ContactAnswered(s.case))
    s.wait(30 * SECOND, 5 * MINUTE)


def handed(s: Story, here: Channel, there: Channel) -> None:
    """Put through, and taken on there."""
    s.say(here, ContactTransferred(s.case, to_channel=there))
    s.wait(10 * SECOND, 8 * MINUTE)
    s.say(there, ContactAccepted(s.case))
    s.wait(30 * SECOND, 5 * MINUTE)


def answered_on(channel: Channel) -> Teller:
    """A question, answered where it was asked."""

    def tell(s: Story) -> None:
        opened(s, channel)
        s.say(channel, ContactResolved(s.case), held=HOUR if s.chance(0.02) else 0)

    return tell


def put_through(here: Channel, there: Channel) -> Teller:
    """A question that another channel answers."""

    def tell(s: Story) -> None:
        opened(s, here)
        handed(s, here, there)
        s.say(there, ContactResolved(s.case))

    return tell


def between_queues(s: Story) -> None:
    """A call that goes from one desk to another of the same house."""
    s.say("phone", ContactOpened(s.case, "general"))
    s.wait(*ANSWERED_IN["phone"])
    s.say("phone", ContactAnswered(s.case, "general"))
    s.wait(MINUTE, 3 * MINUTE)
    s.say("phone", ContactTransferred(s.case, "general", None, "appliances"))
    s.wait(10 * SECOND, 8 * MINUTE)
    s.say("phone", ContactAccepted(s.case, "appliances"))
    s.wait(MINUTE, 9 * MINUTE)
    s.say("phone", ContactResolved(s.case, "appliances"))


def asked_to_act(channel: Channel) -> Teller:
    """An order, and a wish about it, which the warehouse hears and sees to."""

    def tell(s: Story) -> None:
        began = s.at
        s.among((delivery, pickup))(s)
        s.at = began
        s.wait(5 * MINUTE, 10 * MINUTE)
        opened(s, channel, s.order)
        s.say(channel, ContactActionRequested("hold", s.order, s.case))
        s.wait(10 * SECOND, 12 * MINUTE)
        s.say("warehouse", ActionAcknowledged(s.case, s.order, "hold"))
        s.wait(10 * SECOND, 3 * MINUTE)
        s.say(channel, ContactResolved(s.case))

    return tell


CONTACTS: tuple[Teller, ...] = (
    *(answered_on(channel) for channel in HELPLINES),
    *(answered_on(channel) for channel in ("chat", "phone")),
    *(put_through(here, there) for here in HELPLINES for there in REACHED[here]),
    between_queues,
)
"""Contacts beside whatever else happens to a customer."""
WISHES: tuple[Teller, ...] = tuple(asked_to_act(channel) for channel in HELPLINES)
"""Contacts about an order, and the order itself."""
