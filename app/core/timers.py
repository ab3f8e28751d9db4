"""Which cases wait for which moment of which clock: an index in memory, built anew from the rows on restore.

Moments that no longer count are left in the heaps and passed over when they come up: most obligations are met, and
taking each out of the middle of a heap would cost more than letting it pass.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from schemas.state import Due

_Entry = tuple[int, bytes, str]
"""Moment (ms), row key, and on whose behalf the row waits."""


class Timers:
    """Row keys → the moments at which to look at them again."""

    def __init__(self) -> None:
        self._heaps: dict[str, list[_Entry]] = {}
        self._live: dict[str, set[_Entry]] = {}
        """Clock → the entries of its heap that still count."""

    def move(self, key: bytes, rule: str, before: Iterable[Due], after: Iterable[Due]) -> None:
        """On behalf of this rule the row waits for other moments than before."""
        for due in before:
            if due not in after:
                self._live[due[0]].discard((due[1], key, rule))
        for due in after:
            if due not in before:
                self._arm(due[0], (due[1], key, rule))

    def _arm(self, clock: str, entry: _Entry) -> None:
        heap = self._heaps.get(clock)
        if heap is None:
            heap, self._live[clock] = self._heaps.setdefault(clock, []), set()
        live = self._live[clock]
        if len(heap) > 4 * len(live) + 64:
            heap[:] = live
            heapify(heap)
        live.add(entry)
        heappush(heap, entry)

    def clocks(self) -> list[str]:
        """The clocks that anything waits on, in an order that does not depend on the past."""
        return sorted(clock for clock, live in self._live.items() if live)

    def due(self, clock: str, mark: int) -> Iterator[bytes]:
        """The rows whose moment on this clock has passed, earliest first; each moment is disarmed as it is given."""
        heap, live = self._heaps.get(clock, []), self._live.get(clock, set())
        while heap and heap[0][0] < mark:
            entry = heappop(heap)
            if entry in live:
                live.remove(entry)
                yield entry[1]

    def first(self) -> int | None:
        """The earliest moment, ms, that any row waits for."""
        return min((heap[0][0] for clock, heap in self._heaps.items() if self._pass_over(clock, heap)), default=None)

    def _pass_over(self, clock: str, heap: list[_Entry]) -> bool:
        """Takes moments that no longer count off the heap's top; whether any is left."""
        live = self._live[clock]
        while heap and heap[0] not in live:
            heappop(heap)
        return bool(heap)

    def waiting(self, clock: str) -> int:
        """How many moments of this clock are waited for."""
        return len(self._live.get(clock, ()))
