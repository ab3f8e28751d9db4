"""How much the partitions of one process keep in memory together, however many they are."""

from weakref import WeakSet

CASES = 20_000
"""Cases that a process keeps in memory, of five to six kB each."""
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

    def share(self) -> int:
        """How many rows each may keep."""
        return self._rows // max(1, len(self._sharing))
