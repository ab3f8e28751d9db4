"""What "now" is: one port, given by the composition root, read by the future guard and the ticker alone.

Live it is the wall clock. In the demo a simulated day runs faster than the wall, and "now" is as far as its player has
come: were it reckoned from the wall clock, a player that falls behind would let the readers vouch for events that have
not been sent yet.
"""

import mmap
import struct
import time
from collections.abc import Callable
from pathlib import Path

Now = Callable[[], int]
"""Gives milliseconds since the epoch."""

_FORMAT = struct.Struct("<q")


def wall_clock() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


class SharedClock:
    """A moment in a file of eight bytes, set by one process and read by others."""

    def __init__(self, path: Path, *, start: int | None = None) -> None:
        if start is not None:
            path.write_bytes(_FORMAT.pack(start))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _FORMAT.size)

    def __call__(self) -> int:
        """The moment, ms."""
        value: int = _FORMAT.unpack_from(self._memory)[0]
        return value

    def set(self, moment: int) -> None:
        """Moves on to a moment, ms."""
        _FORMAT.pack_into(self._memory, 0, moment)
