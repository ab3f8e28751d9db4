"""What goes on day and night: a little of everything, so that every feed keeps moving when the customers sleep."""

from app.core.rule import HOUR, MINUTE, SECOND
from app.simulate.contacts import HELPLINES
from app.simulate.journeys import START, SYNCED, profile_changed
from app.simulate.story import Step, Story
from schemas.codec import to_time
from schemas.events import (
    Channel,
    ContactAnswered,
    ContactOpened,
    DeliveryCompleted,
    FulfilmentCompleted,
    Line,
    NotificationSent,
    OrderCollected,
    OrderPlaced,
    OrderReady,
    OrderVisible,
    ParcelAccepted,
)

SILENT: Channel = "social"
SILENCE = (START + 6 * HOUR + 30 * MINUTE, START + 9 * HOUR + 30 * MINUTE)
"""The feed on which nothing happens for longer than its patience, and from when till when, ms."""
LINES = (Line("1", "sku-000"),)


def heartbeat(s: Story) -> None:
    """One customer who uses all channels within minutes, and whom all channels serve at once."""
    began = s.at
    _locker(s)
    s.at = began
    _courier(s)
    for channel in HELPLINES:
        s.at = began + MINUTE
        case = f"{s.case}-{channel}"
        s.say(channel, ContactOpened(case))
        s.wait(10 * SECOND, 80 * SECOND)
        s.say(channel, ContactAnswered(case))
    s.at = began
    profile_changed("consent", SYNCED[0])(s)


def fits(step: Step) -> bool:
    """Whether it may happen: not on the silent feed during its silence."""
    return step.channel != SILENT or not SILENCE[0] <= step.at < SILENCE[1]


def _locker(s: Story) -> None:
    """Collected from a locker."""
    s.say("store", OrderPlaced(s.order, "pickup", "s00", None, to_time(s.at + 60 * MINUTE), None, LINES))
    s.wait(5 * SECOND, MINUTE)
    s.say("pickup", OrderVisible(s.order, "s00"))
    s.wait(MINUTE, 3 * MINUTE)
    s.say("pickup", OrderReady(s.order, "s00"))
    s.wait(MINUTE, 3 * MINUTE)
    s.say("pickup", OrderCollected(s.order, "s00"))


def _courier(s: Story) -> None:
    """Brought by a courier."""
    lines = (Line("1", "sku-001"),)
    package = f"{s.second}-p"
    s.say("app", OrderPlaced(s.second, "delivery", None, None, None, to_time(s.at + 60 * MINUTE), lines))
    s.wait(5 * SECOND, MINUTE)
    s.say("notification", NotificationSent("confirmation", s.second))
    s.wait(MINUTE, 3 * MINUTE)
    s.say("warehouse", FulfilmentCompleted(s.second, package, f"t-{package}", "w1", lines))
    s.wait(MINUTE, 3 * MINUTE)
    s.say("carrier", ParcelAccepted(s.second, package, f"t-{package}"))
    s.wait(MINUTE, 3 * MINUTE)
    s.say("carrier", DeliveryCompleted(s.second, package, f"t-{package}"))
