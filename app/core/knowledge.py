"""What an identifier knows: to whom it leads, and which order it holds. Pure functions over one `Identity`.

Whatever comes is joined to what is known by least, greatest and "once strong, always strong"; so the order in which
things are learned makes no difference to what is known in the end, unless a bound takes something away.
"""

from app.core.identity import GOODS, PARCELS, UNIQUE
from schemas.links import NEVER, Identity, Kin, Known, Link


def learn_customer(one: Identity, kind: str, link: Link, most: int) -> bool:
    """Joins the customer of a link to what is known. Gives whether kin must hear of it.

    More than `most` customers make the identifier shared. For orders, parcels and cases only those count to whom orders
    and parcels lead: of what persons claim, the earliest are kept, as far as there is room.
    """
    assert link.customer is not None, "the caller has asked"
    old = next((known for known in one.known if known.customer == link.customer), None)
    new = _joined(old, link, link.customer)
    one.known = sorted((*(known for known in one.known if known is not old), new), key=_earliest)
    if kind in UNIQUE:
        strong, weak = _parted(one.known)
        one.known = sorted((*strong, *weak[: max(0, most - len(strong))]), key=_earliest)
        counted = len(strong)
    else:
        counted = len(one.known)
    if counted > most:
        share(one)
        return False
    return new in one.known and (old is None or new.first < old.first or _better(old, new))


def _better(old: Known, new: Known) -> bool:
    """Whether it weighs more with kin now."""
    return new.weak != old.weak or _hearsay(new) != _hearsay(old)


def _hearsay(known: Known) -> bool:
    """Whether no event that names the customer has said it of the identifier itself."""
    return known.last == NEVER


def _joined(old: Known | None, link: Link, customer: str) -> Known:
    last = NEVER if link.told else link.at
    if old is None:
        return Known(customer, link.at, last, link.weak)
    return Known(customer, min(old.first, link.at), max(old.last, last), old.weak and link.weak)


def _parted(known: list[Known]) -> tuple[list[Known], list[Known]]:
    return [one for one in known if not one.weak], [one for one in known if one.weak]


def _earliest(known: Known) -> tuple[int, bool, str]:
    """Of those said at one moment the one who is known before those who only claim it: an order that is named beside a
    case tells of both at once.
    """
    return known.first, known.weak, known.customer


def learn_order(one: Identity, order: str, at: int, most: int) -> bool:
    """A parcel holds an order, as an event of this moment (ms) says. Gives whether kin must hear of it."""
    old = one.orders.get(order)
    if old is not None and old <= at:
        return False
    one.orders[order] = at
    if len(one.orders) > most:
        share(one)
        return False
    return True


def learn_kin(one: Identity, kin: Kin, most: int) -> bool:
    """Another identifier was named beside it. Gives whether that is news; of more than `most`, the latest are kept."""
    old = one.kin.get(kin.other, kin.at + 1)
    news = kin.at < old
    one.kin[kin.other] = min(kin.at, old)
    if kin.placed and kin.other not in one.placed:
        one.placed, news = sorted((*one.placed, kin.other)), True
    if len(one.kin) > most:
        del one.kin[min(one.kin, key=lambda name: (one.kin[name], name))]
        one.placed = [order for order in one.placed if order in one.kin]
    return news and kin.other in one.kin


def share(one: Identity) -> None:
    """It leads to too many, and so to nobody: all it knew is forgotten for good."""
    one.shared = True
    one.known, one.kin, one.orders, one.placed = [], {}, {}, []


def customer_of(one: Identity, kind: str, at: int, *, final: bool) -> str | None:
    """To whom an event of this moment (ms) belongs.

    What belongs to one customer for ever belongs to whom it was first said to. A personal identifier leads to whoever
    used it last before the event, as events say that name both; else to who was heard of last, or used it first. What
    persons claim of orders and parcels that they did not place counts only when it is `final`, after all waiting: a
    spouse asks about an order too.
    """
    known = one.known
    if kind in GOODS:
        strong, weak = _parted(known)
        known = strong or (weak if final else [])
    return said_of(known, kind, at)[0].customer if known else None


def said_of(known: list[Known], kind: str, at: int) -> list[Known]:
    """Of those that an identifier knows, whom it names at this moment (ms): a personal one names nobody but who used it
    last, lest whoever shares it be told of too.
    """
    return known if kind in UNIQUE or len(known) < 2 else [max(known, key=lambda one: _used(one, at))]


def _used(known: Known, at: int) -> tuple[int, int, str]:
    """Orders customers by their last use up to this moment; before them those of whom it was only heard by then, as of
    whoever owns what was asked about; and before these those whose first use is still to come.
    """
    for moment in (known.last, known.first):
        if NEVER < moment <= at:
            return 1 if _hearsay(known) else 2, moment, known.customer
    return 0, -known.first, known.customer


def orders_of(one: Identity) -> list[str]:
    """The orders that a parcel holds, from the one that was named first. Where it leads to several customers, nobody
    knows which order is whose: then it holds the first.
    """
    orders = sorted(one.orders, key=lambda order: (one.orders[order], order))
    strong, _ = _parted(one.known)
    return orders if len(strong) <= 1 else orders[:1]


def told(known: Known, kind: str, other: str, since: int, *, placed: bool) -> Link:
    """What an identifier of this kind tells a kin of the `other` kind, beside which it was named first at `since` (ms),
    of a customer; `placed` where the kin is an order that was placed under it. What a parcel heard from one order is no
    more than a claim to another: parcels may be numbered anew in each order, and crates are used again.
    """
    from_order = kind in PARCELS and other == "order" and _hearsay(known)
    weak = known.weak or from_order or not (placed or kind in GOODS)
    return Link(max(since, known.first), known.customer, told=True, weak=weak)


def empty(at: int) -> Identity:
    """Nothing is known yet."""
    return Identity(known=[], kin={}, orders={}, touched=at)
