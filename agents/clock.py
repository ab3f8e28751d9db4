"""What "now" is: one port, given by the composition root, read by the future guard and the ticker alone.

Live it is the wall clock. In the demo a simulated day runs faster than the wall, and "now" is as far as its player has
come: were it reckoned from the wall clock, a player that falls behind would let the readers vouch for events that have
not been sent yet.
"""

import mmap
import sys
import time
from collections.abc import Callable
from pathlib import Path

Now = Callable[[], int]
"""Gives milliseconds since the epoch."""


def wall_clock() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


class SharedClock:
    """A moment in a file of eight bytes, set by one process and read by others.

    It is one machine word in memory, stored and loaded at once: `struct.pack_into` would make it nought first, and who
    reads in between would take every event for one of the future.
    """

    def __init__(self, path: Path, *, start: int | None = None) -> None:
        if start is not None:
            path.write_bytes(start.to_bytes(8, sys.byteorder, signed=True))
        with path.open("r+b") as file:
            self._word = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")

    def __call__(self) -> int:
        """The moment, ms."""
        return self._word[0]

    def set(self, moment: int) -> None:
        """Moves on to a moment, ms."""
        self._word[0] = moment
