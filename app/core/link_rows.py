"""The rows of one partition of the table of identities, as values: a write-back cache, and the queue of forgetting.

The queue stands in rows as well, a piece at a time: an index in memory would grow with every identifier ever seen.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from app.core.room import Room
from schemas.codec import Unreadable
from schemas.links import Forget, Identity, LinkRow, LinksClocks, LinksJournal, Parked, encode_link_row

Reader = Callable[[bytes], bytes | None]
_JOURNAL = b"\0journal"
_CLOCKS = b"\0clocks"
_PARKED = b"p"
_PIECE = 64
"""Identifiers in one piece of the queue: each batch writes its last piece anew."""
R = TypeVar("R", Identity, Parked, LinksJournal, LinksClocks, Forget)
_decoders = {cls: msgspec.msgpack.Decoder(cls) for cls in (Identity, Parked, LinksJournal, LinksClocks, Forget)}


def _decode(cls: type[R], row: bytes) -> R:
    try:
        value = _decoders[cls].decode(row)
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from None
    assert isinstance(value, cls)
    return value


def parked_in(key: bytes, row: bytes) -> tuple[int, Parked] | None:
    """The number and the event where this row is a parked event."""
    return (int.from_bytes(key[1:], "big"), _decode(Parked, row)) if key.startswith(_PARKED) else None


def _parked_key(number: int) -> bytes:
    return _PARKED + number.to_bytes(8, "big")


class LinkRows:
    """Reads each row once, writes each once for each batch. Bounded: the identities first read leave first."""

    def __init__(self, read: Reader, room: Room) -> None:
        self._read = read
        self._room = room
        room.join(self)
        self._identities: dict[bytes, Identity] = {}
        self._changed: dict[bytes, LinkRow | None] = {}

    def _get(self, cls: type[R], key: bytes) -> R | None:
        if key in self._changed:
            value = self._changed[key]
            assert value is None or isinstance(value, cls)
            return value
        row = self._read(key)
        return None if row is None else _decode(cls, row)

    def identity(self, identifier: str) -> Identity | None:
        """What is known of an identifier. Whoever changes it must put it back."""
        key = _identity_key(identifier)
        found = self._identities.get(key)
        if found is None:
            found = self._get(Identity, key)
            if found is not None:
                self._identities[key] = found
        return found

    def put(self, identifier: str, one: Identity) -> None:
        """An identifier has changed."""
        key = _identity_key(identifier)
        self._identities[key] = one
        self._changed[key] = one

    def forget(self, identifier: str) -> None:
        """An identifier is forgotten."""
        key = _identity_key(identifier)
        self._identities.pop(key, None)
        self._changed[key] = None

    def parked(self, number: int) -> Parked:
        """A parked event."""
        found = self._get(Parked, _parked_key(number))
        assert found is not None, "whatever is in the index has a row"
        return found

    def park(self, number: int, parked: Parked | None) -> None:
        """An event is parked; none: it goes on."""
        self._changed[_parked_key(number)] = parked

    def journal(self) -> LinksJournal:
        """What belongs to the partition itself."""
        return self._get(LinksJournal, _JOURNAL) or LinksJournal(taken={}, echoed={}, said={})

    def clocks(self) -> LinksClocks:
        """How far the channels have been heard."""
        return self._get(LinksClocks, _CLOCKS) or LinksClocks(
            heard=[], spoke={}, echoes=[], reached={}, reached_by_all={}
        )

    def put_journal(self, journal: LinksJournal) -> None:
        """The journal has changed."""
        self._changed[_JOURNAL] = journal

    def put_clocks(self, clocks: LinksClocks) -> None:
        """The clocks have moved."""
        self._changed[_CLOCKS] = clocks

    def piece(self, number: int) -> Forget | None:
        """A piece of the queue of forgetting."""
        return self._get(Forget, _piece_key(number))

    def put_piece(self, number: int, piece: Forget | None) -> None:
        """A piece has changed; none: it is done with."""
        self._changed[_piece_key(number)] = piece

    def take_writes(self) -> dict[bytes, bytes | None]:
        """The changed rows, encoded; a row of None is deleted."""
        writes = {key: None if row is None else encode_link_row(row) for key, row in self._changed.items()}
        self._changed.clear()
        self._room.trim(self._identities)
        return writes


def _identity_key(identifier: str) -> bytes:
    return b"i" + identifier.encode(errors="surrogatepass")


def _piece_key(number: int) -> bytes:
    return b"q" + number.to_bytes(8, "big")


class Forgetting:
    """Every identifier stands in this queue once. What is due is looked at, and stands behind again if it lives on."""

    def __init__(self, rows: LinkRows, journal: LinksJournal) -> None:
        self._rows = rows
        self._journal = journal

    def append(self, identifier: str, due: int) -> None:
        """Look at this identifier once this moment (ms) has passed, or a little later."""
        journal = self._journal
        piece = self._rows.piece(journal.last)
        if piece is not None and len(piece.identifiers) >= _PIECE:
            journal.last += 1
            piece = None
        if piece is None:
            piece = Forget(due, [])
        piece.identifiers.append(identifier)
        piece.due = max(piece.due, due)
        self._rows.put_piece(journal.last, piece)

    def due(self, mark: int) -> list[str]:
        """Takes the first piece out of the queue, if all of it is due."""
        journal = self._journal
        piece = self._rows.piece(journal.first)
        if piece is None or piece.due >= mark:
            return []
        self._rows.put_piece(journal.first, None)
        journal.first += 1
        journal.last = max(journal.first, journal.last)
        return piece.identifiers
