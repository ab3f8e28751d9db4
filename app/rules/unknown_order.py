"""H305: somebody works on an order that no selling channel has ever announced."""

from app.core.patterns.precedence import Precedence
from app.core.rule import MINUTE, On, Rule
from schemas.events import (
    CHANNELS,
    BayAssigned,
    CustomerArrived,
    DeliveryAttempted,
    DeliveryCancelled,
    DeliveryCompleted,
    DeliveryRescheduled,
    DeliveryScheduled,
    FulfilmentCompleted,
    OrderCollected,
    OrderPlaced,
    OrderReady,
    OrderVisible,
    ParcelAccepted,
)

SELLING = ("web", "app", "store", "phone")
OTHERS = tuple(channel for channel in CHANNELS if channel not in SELLING)
FULFILLING = ("pickup", "warehouse", "carrier", "notification")
"""Whoever takes an order over from others, and echoes it. Of the rest anybody may sell."""
WORK = (
    OrderVisible,
    OrderReady,
    OrderCollected,
    CustomerArrived,
    BayAssigned,
    FulfilmentCompleted,
    ParcelAccepted,
    DeliveryScheduled,
    DeliveryRescheduled,
    DeliveryCancelled,
    DeliveryAttempted,
    DeliveryCompleted,
)

RULE = Rule(
    id="H305",
    name="unknown-order",
    severity="warning",
    about="order",
    within=15 * MINUTE,
    audience="order desk",
    pattern=Precedence(
        first=(On(OrderPlaced, channels=tuple(c for c in CHANNELS if c not in FULFILLING)),),
        then=tuple(On(kind, channels=OTHERS) for kind in WORK),
        owed_by=SELLING,
        episode=lambda _: "unknown",
    ),
    expected="a selling channel announces {subject} by {due}",
    summary="{channel} works on {subject}, which no selling channel has announced",
    action="Find out who ordered it and where; hold the goods until it is entered or found to be a mistake",
)
