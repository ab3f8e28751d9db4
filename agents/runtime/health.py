"""Whether the worker lives, and whether it is ready: by what it gets done, not by answering."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from agents.runtime.fatal import end_process

_LOOK_EVERY_S = 1.0


class Sight(NamedTuple):
    """What the watchdog sees at one moment. Moments are in seconds on the monotonic clock."""

    beat: float
    """When the event loop last ran."""
    answered: float
    """When the broker last answered a fetch."""
    assigned: bool
    """Whether there are partitions to fetch, and all are at work: while some are taken over, one fetch of each is kept
    for later, and the client asks for no more."""
    settled: bool
    """Whether the group has given this worker its share, be it none."""
    backlog: int
    """Records that wait, and changelog records to be read back."""
    progress: tuple[int, ...]
    """Changes whenever anything gets done."""


class Liveness:
    """Judges a worker by its progress. Not tied to any clock: the moments are given."""

    def __init__(self, limit_s: float, now: float) -> None:
        self._limit_s = limit_s
        self._progress: tuple[int, ...] = ()
        self._progressed = now
        self._settled: tuple[bool, float] = (False, now)
        """Whether the group is settled, and since when."""
        self._assigned: tuple[bool, float] = (False, now)
        """Whether fetches are to be expected, and since when."""
        self._looked = self._resumed = now

    def verdict(self, now: float, sight: Sight) -> str | None:
        """Why the worker must end, or None while it is alive."""
        if now - self._looked > self._limit_s / 2:
            # The whole process was suspended: what it missed meanwhile is no stall. Count from here.
            self._progressed, self._resumed = now, now
            self._settled, self._assigned = (sight.settled, now), (sight.assigned, now)
        self._looked = now
        if sight.settled != self._settled[0]:
            self._settled = sight.settled, now
        if sight.assigned != self._assigned[0]:
            self._assigned = sight.assigned, now
        if sight.progress != self._progress or not sight.backlog or not sight.settled:
            self._progress, self._progressed = sight.progress, now
        settled, since = self._settled
        waits = {
            "the event loop has not run": max(sight.beat, self._resumed),
            f"nothing was processed although {sight.backlog} records wait": self._progressed,
        }
        if not settled:
            waits["no partitions were assigned"] = since
        elif sight.assigned:
            waits["the broker has not answered a fetch"] = max(sight.answered, self._assigned[1])
        late = (f"{what} for {now - begun:.0f} s" for what, begun in waits.items() if now - begun > self._limit_s)
        return next(late, None)


class Watchdog(threading.Thread):
    """Looks at the worker once a second, from outside its event loop, and ends the process if it does not live."""

    def __init__(self, limit_s: float, look: Callable[[], Sight]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._look = look
        self._liveness = Liveness(limit_s, time.monotonic())
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY_S):
            reason = self._liveness.verdict(time.monotonic(), self._look())
            if reason is not None:
                end_process(reason)

    def stop(self) -> None:
        self._stopped.set()
