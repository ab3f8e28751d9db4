"""Which cases of each customer are open, in rows of the table, a page at a time.

Whoever comes often has hundreds of open cases. Were they one row, all of it would be written anew for each case that is
opened or closed. So a page that is full is put by, and written again only when one of its cases is closed.
"""

from collections.abc import Callable, Iterator
from itertools import chain

import msgspec

from app.core.room import JOURNEYS, Room
from schemas.codec import decode_journey, encode_row
from schemas.state import Journey

Reader = Callable[[bytes], bytes | None]
Subject = tuple[str, str]
"""The kind and id of a case."""
Page = dict[Subject, None]
"""Open cases, in the order in which they were opened."""
PAGE = 64
"""Cases in one page."""
_JOURNEY = b"\0journey\0"
_PAGE = b"\0page\0"


def journey_key(customer: str) -> bytes:
    """The row of a customer's last page, which tells of the others."""
    return _JOURNEY + customer.encode("utf-8", "surrogatepass")


def page_key(customer: str, number: int) -> bytes:
    """The row of a page that was put by."""
    return _PAGE + number.to_bytes(4, "big") + customer.encode("utf-8", "surrogatepass")


class Open(msgspec.Struct, gc=False):
    """What is open of one customer."""

    last: Page
    number: int = 0
    """The last page's."""
    older: dict[int, Page] = {}

    def __contains__(self, subject: Subject) -> bool:
        return subject in self.last or any([subject in page for page in self.older.values()])

    def __len__(self) -> int:
        return len(self.last) + sum(map(len, self.older.values()))

    def __iter__(self) -> Iterator[Subject]:
        """In the order in which they were opened."""
        return chain(*self.older.values(), self.last)


class Journeys:
    """The open cases of the customers of a partition. Bounded: what did not change for longest leaves memory."""

    def __init__(self, read: Reader, room: Room) -> None:
        self._read = read
        self._room = room
        self._known: dict[str, Open] = {}
        self._changed: dict[str, Open] = {}
        """Customers whose last page changed, or which others there are."""
        self._changed_pages: dict[tuple[str, int], Page] = {}

    def of(self, customer: str) -> Open:
        """What is open of this customer."""
        found = self._known.get(customer)
        if found is None:
            found = self._known[customer] = self._found(customer)
        return found

    def _found(self, customer: str) -> Open:
        row = self._read(journey_key(customer))
        if row is None:
            return Open({})
        journey = decode_journey(row)
        older = {number: self._page(customer, number) for number in journey.older}
        return Open(dict.fromkeys(journey.open), journey.number, older)

    def _page(self, customer: str, number: int) -> Page:
        row = self._read(page_key(customer, number))
        return {} if row is None else dict.fromkeys(decode_journey(row).open)

    def add(self, customer: str, subject: Subject) -> Open:
        """A case of the customer was opened; returns what is open now."""
        journey = self.of(customer)
        if len(journey.last) >= PAGE:
            self._changed_pages[customer, journey.number] = journey.older[journey.number] = journey.last
            journey.last = {}
            journey.number += 1
        journey.last[subject] = None
        self._changed[customer] = journey
        return journey

    def remove(self, customer: str, subject: Subject) -> None:
        """The case is not open any more, if it was."""
        journey = self.of(customer)
        if subject in journey.last:
            del journey.last[subject]
            self._changed[customer] = journey
            return
        number = next((number for number, page in journey.older.items() if subject in page), None)
        if number is not None:
            page = self._changed_pages[customer, number] = journey.older[number]
            del page[subject]
            if not page:
                del journey.older[number]
                self._changed[customer] = journey

    def written_first(self) -> Iterator[tuple[bytes, bytes | None]]:
        """The changed rows: the pages, and then what tells of them."""
        for (customer, number), page in self._changed_pages.items():
            if page:
                yield page_key(customer, number), encode_row(Journey(open=list(page)))
        for customer, journey in self._changed.items():
            yield journey_key(customer), self._row(journey)

    def _row(self, journey: Open) -> bytes | None:
        if not journey.last and not journey.older:
            return None
        return encode_row(Journey(open=list(journey.last), number=journey.number, older=list(journey.older)))

    def written_last(self) -> Iterator[tuple[bytes, None]]:
        """The pages of which nothing tells any more."""
        return ((page_key(*place), None) for place, page in self._changed_pages.items() if not page)

    def settle(self) -> None:
        """All that was changed is written."""
        for customer in self._changed:
            self._known[customer] = self._known.pop(customer)
        self._changed.clear()
        self._changed_pages.clear()
        self._room.trim(self._known, times=JOURNEYS)
