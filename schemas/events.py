"""The vocabulary: what each event type carries. One struct for each type, a tagged union on `type`.

A canonical event is a CloudEvents 1.0 envelope (see `schemas.codec`) whose `data` is one of these structs plus
`data.customer`, the identifiers the channel knows. Times are RFC 3339 with an offset; quantities are units of a line.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

import msgspec

Channel = Literal[
    "web", "app", "store", "pickup", "warehouse", "carrier", "phone", "chat", "email", "social", "notification", "crm"
]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Name = Annotated[str, msgspec.Meta(max_length=200)]
"""What names a thing, where it may be empty. Nothing is without bound: an alert says again what an event says."""
Text = Annotated[str, msgspec.Meta(max_length=2000)]
"""What people may have written."""
Quantity = Annotated[float, msgspec.Meta(ge=0)]
Version = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""No row holds more."""
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Fulfilment = Literal["pickup", "curbside", "delivery"]
Party = Literal["customer", "us"]


class Customer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whatever identifiers of the customer a channel knows."""

    id: Id | None = None
    email: Text | None = None
    phone: Text | None = None
    loyalty_id: Text | None = None
    device_id: Text | None = None


class Line(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of an order or of a fulfilment. A line without a quantity is one unit."""

    line_id: Id
    sku: Name | None = None
    quantity: Quantity = 1


Lines = Annotated[tuple[Line, ...], msgspec.Meta(max_length=2000)]


class Data(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", gc=False):
    """What all events share: the identifiers of the things they are about, where a channel knows them."""


class OfOrder(Data, frozen=True):
    order_id: Id


class OrderPlaced(OfOrder, frozen=True, tag="order.placed"):
    """Several events may place one order, each with lines of its own: together they are the order."""

    fulfilment: Fulfilment | None = None
    location_id: Name | None = None
    promised_from: Time | None = None
    promised_to: Time | None = None
    ship_by: Time | None = None
    lines: Lines = ()


class OrderChanged(OfOrder, frozen=True, tag="order.changed"):
    """What is given replaces what was; a line replaces the line of the same id."""

    fulfilment: Fulfilment | None = None
    location_id: Name | None = None
    promised_from: Time | None = None
    promised_to: Time | None = None
    ship_by: Time | None = None
    lines: Lines = ()
    by: Party = "customer"


class OrderCancelled(OfOrder, frozen=True, tag="order.cancelled"):
    by: Party = "customer"


class OrderVisible(OfOrder, frozen=True, tag="order.visible"):
    """A channel shows that it knows the order."""

    location_id: Name | None = None


class OrderReady(OfOrder, frozen=True, tag="order.ready"):
    location_id: Name | None = None


class OrderCollected(OfOrder, frozen=True, tag="order.collected"):
    location_id: Name | None = None


class CustomerArrived(OfOrder, frozen=True, tag="customer.arrived"):
    location_id: Name | None = None


class BayAssigned(OfOrder, frozen=True, tag="bay.assigned"):
    location_id: Name | None = None
    bay: Name | None = None


class BayFull(OfOrder, frozen=True, tag="bay.full"):
    location_id: Name | None = None


class FulfilmentCompleted(OfOrder, frozen=True, tag="fulfilment.completed"):
    """A node handed lines of an order over, in one package."""

    package_id: Name | None = None
    tracking_id: Name | None = None
    node: Name | None = None
    lines: Lines = ()


class ActionAcknowledged(Data, frozen=True, tag="action.acknowledged"):
    """Answers a `contact.action_requested` of the same case or order (and the same action, where it names one)."""

    case_id: Id | None = None
    order_id: Id | None = None
    action: Text | None = None


class OfParcel(Data, frozen=True):
    """A carrier knows the order, or the parcel by its package or tracking id, or several of them."""

    order_id: Id | None = None
    package_id: Name | None = None
    tracking_id: Name | None = None


class ParcelAccepted(OfParcel, frozen=True, tag="parcel.accepted"):
    """The carrier's first scan."""


class DeliveryScheduled(OfParcel, frozen=True, tag="delivery.scheduled"):
    """A confirmed window. `window_to` alone is a promise to deliver by then."""

    window_from: Time | None = None
    window_to: Time | None = None


class DeliveryRescheduled(OfParcel, frozen=True, tag="delivery.rescheduled"):
    """Without a window, the delivery is put off to a window not yet known."""

    window_from: Time | None = None
    window_to: Time | None = None
    by: Party = "us"


class DeliveryCancelled(OfParcel, frozen=True, tag="delivery.cancelled"):
    by: Party = "us"


class DeliveryAttempted(OfParcel, frozen=True, tag="delivery.attempted"):
    pass


class DeliveryCompleted(OfParcel, frozen=True, tag="delivery.completed"):
    pass


class NotificationSent(Data, frozen=True, tag="notification.sent"):
    """A message to the customer. `about` is what it is about where that is no order (see `account.changed.what`)."""

    kind: Literal["confirmation", "reminder", "change", "cancellation"]
    order_id: Id | None = None
    about: Name | None = None
    window_from: Time | None = None
    window_to: Time | None = None


class OfContact(Data, frozen=True):
    case_id: Id
    queue: Name | None = None
    """The team or queue that the event happened in, where the channel has several."""


class ContactOpened(OfContact, frozen=True, tag="contact.opened"):
    order_id: Id | None = None


class ContactAnswered(OfContact, frozen=True, tag="contact.answered"):
    pass


class ContactTransferred(OfContact, frozen=True, tag="contact.transferred"):
    """Without `to_channel`, the transfer is to another queue of the same channel."""

    to_channel: Channel | None = None
    to_queue: Name | None = None


class ContactAccepted(OfContact, frozen=True, tag="contact.accepted"):
    pass


class ContactActionRequested(Data, frozen=True, tag="contact.action_requested"):
    """A contact channel asks fulfilment to act on an order or a case."""

    action: Text
    order_id: Id | None = None
    case_id: Id | None = None
    location_id: Name | None = None


class ContactResolved(OfContact, frozen=True, tag="contact.resolved"):
    pass


class ProfileUpdated(Data, frozen=True, tag="profile.updated"):
    field: Id
    version: Version | None = None


class ProfileSynced(Data, frozen=True, tag="profile.synced"):
    """A channel took over a profile change (a version at least as high counts)."""

    field: Id
    version: Version | None = None


class ProductRequested(Data, frozen=True, tag="product.requested"):
    product: Id
    request_id: Name | None = None


class ProductIssued(Data, frozen=True, tag="product.issued"):
    product: Id
    request_id: Name | None = None


class AccountChanged(Data, frozen=True, tag="account.changed"):
    what: Id


class SessionHandedOff(Data, frozen=True, tag="session.handed_off"):
    cart_id: Id
    to_channel: Channel
    digest: Name | None = None


class SessionResumed(Data, frozen=True, tag="session.resumed"):
    cart_id: Id
    digest: Name | None = None


AnyData = (
    OrderPlaced
    | OrderChanged
    | OrderCancelled
    | OrderVisible
    | OrderReady
    | OrderCollected
    | CustomerArrived
    | BayAssigned
    | BayFull
    | FulfilmentCompleted
    | ActionAcknowledged
    | ParcelAccepted
    | DeliveryScheduled
    | DeliveryRescheduled
    | DeliveryCancelled
    | DeliveryAttempted
    | DeliveryCompleted
    | NotificationSent
    | ContactOpened
    | ContactAnswered
    | ContactTransferred
    | ContactAccepted
    | ContactActionRequested
    | ContactResolved
    | ProfileUpdated
    | ProfileSynced
    | ProductRequested
    | ProductIssued
    | AccountChanged
    | SessionHandedOff
    | SessionResumed
)

# Whoever asks a fact for a field has matched its type before; saying so again at each place would only be noise.
if TYPE_CHECKING:
    Payload = Any
else:
    Payload = AnyData

TYPES: dict[str, type[Data]] = {str(cls.__struct_config__.tag): cls for cls in get_args(AnyData)}
"""Event type → the struct of its data, in the order of design and documents."""


def type_of(data: type[Data]) -> str:
    """The event type of a struct: `type_of(OrderPlaced) == "order.placed"`."""
    return str(data.__struct_config__.tag)


def times_of(data: type[Data]) -> tuple[str, ...]:
    """The fields of a struct that hold times."""
    hints = get_type_hints(data)
    return tuple(name for name in data.__struct_fields__ if datetime in (hints[name], *get_args(hints[name])))
