"""When each open case is to be closed: a queue in rows of the table, a piece at a time.

Every case stands in it, mostly for a month: an index in memory would grow with all that is open. In memory are the last
piece, to which new moments go, and of each other piece its number and the first moment in it that is still to come.

A piece is written while it fills, and deleted when all its moments have passed: a case that lives on stands in a later
piece again, and to write a piece anew for each case taken out of it would cost more than all else that a case writes.
So a piece holds moments that no longer count. Whoever takes one must ask the case: `Case.closing` tells which counts.
"""

from collections.abc import Iterable
from heapq import heappop, heappush

from app.core.clocks import ALWAYS
from app.core.rows import Rows
from schemas.state import Closings

PIECE = 256
"""Cases in one piece: each batch that opens a case writes its last piece anew."""


class Closing:
    """Moments (ms) → the row keys of the cases to be closed then."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._heap: list[tuple[int, int]] = []
        """Of each piece but the last: its first moment that is still to come, and its number."""
        self._begin(0)

    def _begin(self, number: int) -> None:
        self._number, self._last, self._first = number, Closings(cases=[]), ALWAYS

    def resume(self, numbers: Iterable[int], first: int) -> None:
        """Takes the queue up from the pieces of these numbers. What stands in them before the first moment at which an
        open case is to be closed no longer counts.
        """
        for number in sorted(numbers):
            self._put_by()
            self._number, self._last = number, self._rows.piece(number)
            moments = [moment for moment, _ in self._last.cases]
            self._first = min((m for m in moments if m >= first), default=max(moments))

    def append(self, moment: int, key: bytes) -> None:
        """The case is to be closed once this moment has passed."""
        if len(self._last.cases) >= PIECE:
            self._put_by()
            self._begin(self._number + 1)
        self._last.cases.append((moment, key))
        self._first = min(self._first, moment)
        self._rows.put_piece(self._number, self._last)

    def _put_by(self) -> None:
        if self._last.cases:
            heappush(self._heap, (self._first, self._number))

    def due(self, mark: int) -> list[tuple[int, bytes]]:
        """What has passed, by moment and key: in which pieces it stood must make no difference. Each is given once."""
        due: list[tuple[int, bytes]] = []
        while self._heap and self._heap[0][0] < mark:
            first, number = heappop(self._heap)
            after = self._take(number, self._rows.piece(number), first, mark, due)
            if after is not None:
                heappush(self._heap, (after, number))
        if self._first < mark:
            after = self._take(self._number, self._last, self._first, mark, due)
            self._first = ALWAYS if after is None else after
        if self._first == ALWAYS:  # the next piece is numbered as by who takes the queue up now
            self._begin(1 + max((number for _, number in self._heap), default=-1))
        return sorted(set(due))

    def _take(self, number: int, piece: Closings, first: int, mark: int, due: list[tuple[int, bytes]]) -> int | None:
        """What follows what is due in a piece; none: it is done with."""
        due += [one for one in piece.cases if first <= one[0] < mark]
        after = min((moment for moment, _ in piece.cases if moment >= mark), default=None)
        if after is None:
            self._rows.put_piece(number, None)
        return after

    def first(self) -> int | None:
        """The earliest moment, ms, at which a case may have to be closed."""
        first = min(self._first, self._heap[0][0]) if self._heap else self._first
        return None if first == ALWAYS else first
