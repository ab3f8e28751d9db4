"""Which way an event takes from its channel: straight to its customer's partition, or by way of the links.

An event that names its customer teaches: its order, parcel, case, phone … lead there. One that does not asks under its
strongest identifier, and that one and each weaker one learn of each other, so that whichever finds the customer tells
the other. One that knows its order only by a parcel goes by way of the links too, for cases are kept by order.

Nothing is kept but which links have been announced within a day of event time, and that only to save sending them
again: if it is lost, links are announced once more. (They must be, now and then, or they would be forgotten.) What is
not announced must not matter: of what belongs to one customer for ever, who named it first does; of a phone that
several use, who used it last does. (Where they are heard by several workers, that is known to the day only.)
"""

from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from app.core.identity import PARCELS, UNIQUE, Identifier
from schemas.links import Kin, Link

_DAY = 86_400_000
T = TypeVar("T")


class Noted(NamedTuple):
    """A record for the links partition of an identifier."""

    identifier: str
    record: Link | Kin


class Route(NamedTuple):
    """Where an event goes: to its customer, or (`via`) to the links under an identifier; and what is learned of it."""

    customer: str | None
    via: str | None
    notes: Sequence[Noted]


class _Said:
    """What was announced of an identifier, and until when it could have been said again since."""

    __slots__ = ("at", "last", "several", "what")

    def __init__(self, what: tuple[str, str | None, int], at: int, before: "_Said | None") -> None:
        self.what = what
        """Customer, order and day."""
        self.at = self.last = at
        self.several: bool = before is not None and (before.several or before.what[0] != what[0])

    def kept_back(self, customer: str, at: int) -> Iterator[Link]:
        """What need not have been said before an event of this moment (ms) named another customer."""
        if self.what[0] != customer and self.last > max(at, self.at):
            yield Link(self.last, self.what[0])


class Recent(Generic[T]):
    """What was announced lately. Bounded: forgets in halves, the older half whenever there are more than `keep`."""

    def __init__(self, keep: int) -> None:
        self._half = max(1, keep // 2)
        self._new: dict[object, T] = {}
        self._old: dict[object, T] = {}

    def get(self, key: object) -> T | None:
        found = self._new.get(key)
        return self._old.get(key) if found is None else found

    def put(self, key: object, value: T) -> None:
        if len(self._new) >= self._half:
            self._old, self._new = self._new, {}
        self._new[key] = value

    def __len__(self) -> int:
        return len(self._new) + len(self._old)


class Router:
    """Finds the way of each event."""

    def __init__(self, remember: int = 100_000) -> None:
        self.links: Recent[_Said] = Recent(remember // 2)
        self.kin: Recent[int] = Recent(remember // 2)

    def route(
        self,
        customer: str | None,
        identifiers: Sequence[Identifier],
        at: int,
        *,
        lacks_order: bool = False,
        places: bool = False,
    ) -> Route | None:
        """The way of an event of this moment (ms), by its customer and its other identifiers, strongest first; none
        where it names nothing that could lead to a customer. `app.core.identity` tells `lacks_order` and `places`.
        """
        if customer is None:
            if not identifiers:
                return None
            return Route(None, identifiers[0].text, list(self._kin(identifiers, at, placed=places)))
        links = self._links(customer, identifiers, at)
        parcels = [named for named in identifiers if named.kind in PARCELS] if lacks_order else ()
        if not parcels:
            return Route(customer, None, links)
        return Route(None, parcels[0].text, [*links, *self._kin(parcels, at)])

    def _links(self, customer: str, identifiers: Sequence[Identifier], at: int) -> list[Noted]:
        notes: list[Noted] = []
        order = identifiers[0].value if identifiers and identifiers[0].kind == "order" else None
        day = at // _DAY
        for named in identifiers:
            unique = named.kind in UNIQUE
            holds = order if named.kind in PARCELS else None
            what, said = (customer, holds, day), self.links.get(named)
            if said is not None and said.what == what:
                if at >= said.at if unique else at <= said.last or not said.several:
                    said.last = max(said.last, at)
                    continue
            elif said is not None and not unique:
                notes += [Noted(named.text, link) for link in said.kept_back(customer, at)]
            self.links.put(named, _Said(what, at, said))
            notes.append(Noted(named.text, Link(at, customer, holds)))
        return notes

    def _kin(self, identifiers: Sequence[Identifier], at: int, *, placed: bool = False) -> Iterator[Noted]:
        first, day = identifiers[0], at // _DAY
        for other in identifiers[1:]:
            if self.kin.get((first, other, placed)) != day:
                self.kin.put((first, other, placed), day)
                yield Noted(first.text, Kin(at, other.text, placed))
                yield Noted(other.text, Kin(at, first.text, placed))
