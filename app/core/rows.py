"""The rows of one table partition, as values: read once, changed in memory, written once for each batch."""

from collections.abc import Mapping

from app.core.alerting import Who
from app.core.facts import facts_of
from app.core.journeys import Journeys, Reader
from app.core.room import Room
from schemas.codec import decode_case, decode_closings, decode_journal, encode_row
from schemas.state import Case, Closings, Journal

JOURNAL = b"\0journal"
_PIECE = b"\0closing\0"
_LARGE = 8_000
"""Bytes of a row: a case of more is read anew whenever it is needed, for in memory it takes several times as much, and
how many cases are kept there is counted, not weighed."""


def row_key(customer: str, kind: str, subject: str) -> bytes:
    """The customer's length comes first, so that no choice of ids can make two keys the same."""
    return f"{len(customer)}:{customer}\0{kind}\0{subject}".encode("utf-8", "surrogatepass")


CHANNELS = row_key("", "channel", "")
"""How the keys of what is said of channels begin."""


def who_of(key: bytes) -> Who:
    """The inverse of `row_key`."""
    length, _, rest = key.decode(errors="surrogatepass").partition(":")
    kind, _, subject = rest[int(length) + 1 :].partition("\0")
    return Who(rest[: int(length)], kind, subject)


def piece_key(number: int) -> bytes:
    """The row of a piece of the queue of cases to be closed."""
    return _PIECE + number.to_bytes(8, "big")


def piece_number(key: bytes) -> int | None:
    """The number of the piece whose row this is; none where it is another row."""
    return int.from_bytes(key[len(_PIECE) :], "big") if key.startswith(_PIECE) else None


class Rows:
    """A write-back cache over a table partition. Bounded: what did not change for longest leaves, and of cases first
    those that wait for nothing, for most of what comes is what others wait for.
    """

    def __init__(self, read: Reader, room: Room) -> None:
        self._read = read
        self._room = room
        room.join(self)
        self._cases: dict[bytes, Case] = {}
        self._resting: dict[bytes, Case] = {}
        """Cases that wait for nothing."""
        self.journeys = Journeys(read, room)
        self._changed: dict[bytes, Case | None] = {}
        self._pieces: dict[bytes, Closings | None] = {}
        self._journal: Journal | None = None

    def case(self, key: bytes) -> Case | None:
        """The case of this row, or none."""
        found = self._in_memory(key)
        if found is None and key not in self._changed:
            row = self._read(key)
            if row is not None:
                found = decode_case(row)
                if len(row) <= _LARGE:
                    self._cases[key] = found
        return found

    def _in_memory(self, key: bytes) -> Case | None:
        found = self._cases.get(key)
        if found is None:
            found = self._resting.pop(key, None)
            if found is not None:
                self._cases[key] = found
        return found

    def open_case(self, key: bytes, customer: str, subject: tuple[str, str]) -> Case | None:
        """The case of this row if it is open. Most that are not in memory are not: the customer's journey tells, and
        the table need not be asked.
        """
        found = self._in_memory(key)
        if found is None and subject in self.journeys.of(customer):
            return self.case(key)
        return found

    def journal(self) -> Journal:
        """What belongs to the partition itself."""
        row = self._read(JOURNAL)
        return Journal() if row is None else decode_journal(row)

    def piece(self, number: int) -> Closings:
        """A piece of the queue of cases to be closed."""
        key = piece_key(number)
        if key in self._pieces:
            piece = self._pieces[key]
            assert piece is not None, "a piece in the queue is a piece that is there"
            return piece
        row = self._read(key)
        assert row is not None, "a piece in the queue has a row"
        return decode_closings(row)

    def put_piece(self, number: int, piece: Closings | None) -> None:
        """A piece has changed; none: it is done with."""
        self._pieces[piece_key(number)] = piece

    def put(self, key: bytes, case: Case) -> None:
        """The case has changed."""
        self._cases[key] = case
        self._changed[key] = case

    def put_journal(self, journal: Journal) -> None:
        """The journal has changed."""
        self._journal = journal

    def delete(self, key: bytes) -> None:
        """The case is closed."""
        self._cases.pop(key, None)
        self._resting.pop(key, None)
        self._changed[key] = None

    def take_writes(self) -> dict[bytes, bytes | None]:
        """The changed rows, encoded; a row of None is deleted. Whoever stops half-way has to do it all again, and has
        written nothing by then that speaks of what is not there: a case is written once it will be closed, a journey
        once its cases are there, and last what has been taken; and what cases are to be closed is forgotten only when
        they are.
        """
        pieces = self._pieces.items()
        writes: dict[bytes, bytes | None] = {key: encode_row(piece) for key, piece in pieces if piece is not None}
        writes |= {key: None if case is None else encode_row(case) for key, case in self._changed.items()}
        writes |= self.journeys.written_first()
        writes |= self.journeys.written_last()
        writes |= {key: None for key, piece in pieces if piece is None}
        if self._journal is not None:
            writes[JOURNAL] = encode_row(self._journal)
        self._settle(writes)
        return writes

    def _settle(self, written: Mapping[bytes, bytes | None]) -> None:
        """All that was changed is written."""
        self._keep_cases(written)
        self.journeys.settle()
        self._changed.clear()
        self._pieces.clear()
        self._journal = None

    def _keep_cases(self, written: Mapping[bytes, bytes | None]) -> None:
        cases, resting = self._cases, self._resting
        for key in self._changed:
            case = cases.pop(key, None)
            if case is None or len(written[key] or b"") > _LARGE:
                continue
            if case.due:
                cases[key] = case
            else:
                facts_of(case).settle()
                resting[key] = case
        self._room.trim(resting, cases)
