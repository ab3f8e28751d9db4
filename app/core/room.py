"""How much the partitions of one process keep in memory together, however many they are."""

from itertools import islice
from typing import TypeVar
from weakref import WeakSet

T = TypeVar("T")

CASES = 20_000
"""Cases that a process keeps in memory, of five to six kB each; and as many journeys, of half a kB."""
IDENTITIES = 48_000
"""Identifiers whose links a process keeps in memory."""


class Room:
    """Decoded rows that partitions may keep, each an equal share. What is not kept is read again when it is needed."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._sharing: WeakSet[object] = WeakSet()

    def join(self, one: object) -> None:
        """One more partition shares the room, for as long as it lives."""
        self._sharing.add(one)

    def trim(self, kept: dict[bytes, T]) -> None:
        """Takes from what one of them keeps what is more than its share, from the beginning."""
        share = self._rows // max(1, len(self._sharing))
        for key in list(islice(kept, max(0, len(kept) - share))):
            del kept[key]
