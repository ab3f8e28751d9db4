"""Which cases wait for which moment of which clock: an index in memory, built anew from the rows on restore.

Moments that no longer count are left in the heaps and passed over when they come up: most obligations are met, and
taking each out of the middle of a heap would cost more than letting it pass.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush

_NOTHING: Mapping[str, int] = {}


class Timers:
    """Row key → the moments at which to look at it again."""

    def __init__(self) -> None:
        self._waits: dict[bytes, dict[str, int]] = {}
        self._heaps: dict[str, list[tuple[int, bytes]]] = {}
        self._waiting: Counter[str] = Counter()

    def move(self, key: bytes, waits: dict[str, int]) -> None:
        """The row waits for these moments from now on (clock → ms), and for no others."""
        before = self._waits.get(key, _NOTHING)
        if waits == before:
            return
        for clock in before:
            if clock not in waits:
                self._waiting[clock] -= 1
        for clock, moment in waits.items():
            armed = before.get(clock)
            if armed != moment:
                if armed is None:
                    self._waiting[clock] += 1
                self._arm(clock, key, moment)
        if waits:
            self._waits[key] = waits
        else:
            del self._waits[key]

    def _arm(self, clock: str, key: bytes, moment: int) -> None:
        heap = self._heaps.setdefault(clock, [])
        if len(heap) > 64 and len(heap) > 4 * self._waiting[clock]:
            heap[:] = {entry for entry in heap if self._counts(clock, entry)}
            heapify(heap)
        heappush(heap, (moment, key))

    def _counts(self, clock: str, entry: tuple[int, bytes]) -> bool:
        return self._waits.get(entry[1], _NOTHING).get(clock) == entry[0]

    def clocks(self) -> list[str]:
        """The clocks that anything waits on, in an order that does not depend on the past."""
        return sorted(clock for clock, waiting in self._waiting.items() if waiting)

    def due(self, clock: str, mark: int) -> Iterator[bytes]:
        """The rows whose moment on this clock has passed, earliest first; each is disarmed as it is given."""
        heap = self._heaps.get(clock, [])
        while heap and heap[0][0] < mark:
            entry = heappop(heap)
            if self._counts(clock, entry):
                key = entry[1]
                self.move(key, {c: moment for c, moment in self._waits[key].items() if c != clock})
                yield key

    def first(self) -> int | None:
        """The earliest moment, ms, that any row waits for."""
        return min((heap[0][0] for clock, heap in self._heaps.items() if self._pass_over(clock, heap)), default=None)

    def _pass_over(self, clock: str, heap: list[tuple[int, bytes]]) -> bool:
        """Takes moments that no longer count off the heap's top; whether any is left."""
        while heap and not self._counts(clock, heap[0]):
            heappop(heap)
        return bool(heap)

    def waiting(self, clock: str) -> int:
        """How many rows wait on this clock."""
        return self._waiting[clock]
