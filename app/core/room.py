"""How much the partitions of one process keep in memory together, however many they are."""

from itertools import islice
from typing import TypeVar
from weakref import WeakSet

K = TypeVar("K")
T = TypeVar("T")

CASES = 12_500
"""Cases that a process keeps in memory, of about four kB each. Of more no gain was measured: the parts of a case lie
all over memory.
"""
JOURNEYS = 2
"""Journeys for each case, of half a kB: they spare most looks into the table."""
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

    def trim(self, *kept: dict[K, T], times: int = 1) -> None:
        """Takes from what one of them keeps what is more than its share, so many times: of the first first, from the
        beginning.
        """
        over = sum(map(len, kept)) - times * self._rows // max(1, len(self._sharing))
        for rows in kept:
            for key in list(islice(rows, max(0, over))):
                del rows[key]
                over -= 1
