"""The ticker: how far each origin partition has been heard, said as a record of the log.

Said to every partition of the events and of the links: what goes by way of the links is vouched for by those.

It vouches for what was *sent* before it, and, where a reader had caught up, for the moment at which the fetch that
found nothing newer was asked for. Never for the moment of sending: a frozen worker that thaws would vouch for what it
has not read.
"""

from collections.abc import Iterator, Mapping, Sequence

from agents.clock import Now
from agents.runtime import Origin, Out
from schemas.codec import encode_tick
from schemas.state import Progress
from schemas.topics import EVENTS, LINKS


class Ticker:
    """Remembers how far this worker has read the channels' topics. A topic may speak for several channels."""

    def __init__(self, channels_of: Mapping[str, Sequence[str]], partitions: int, now: Now) -> None:
        self._channels_of = channels_of
        self._partitions = partitions
        self._now = now
        self._spoke: dict[tuple[Origin, str], int] = {}
        self._read: dict[Origin, int] = {}
        self._said: dict[tuple[Origin, str], tuple[int, int | None]] = {}

    def sent(self, origin: Origin, channel: str, at: int) -> None:
        """An event of this moment (ms) was sent, or will have been before the next tick."""
        if at > self._spoke.get((origin, channel), -1):
            self._spoke[origin, channel] = at
            # An event may be dated a little ahead (within the future guard): it is no news of what is still to come.
            self._read[origin] = max(self._read.get(origin, -1), min(at, self._now()))

    def ticks(self, caught_up: Mapping[Origin, int], sizes: Mapping[str, int]) -> list[Out]:
        """One tick for each partition of the events and of the links; none where nothing has moved since the last."""
        for origin, asked in caught_up.items():
            self._read[origin] = max(self._read.get(origin, -1), asked)
        moved = tuple(p for origin, heard in sorted(self._read.items()) for p in self._progress(origin, heard, sizes))
        if not moved:
            return []
        value = encode_tick("/handoff/ticker", max(p.heard for p in moved), moved)
        topics = (EVENTS.name, LINKS.name)
        return [Out(topic, None, value, partition) for topic in topics for partition in range(self._partitions)]

    def _progress(self, origin: Origin, heard: int, sizes: Mapping[str, int]) -> Iterator[Progress]:
        size = sizes.get(origin.topic)
        if size is None:  # told once it is known again: a clock waits for as many partitions as it is told of
            return
        for channel in self._channels_of[origin.topic]:
            spoke = self._spoke.get((origin, channel))
            if self._said.get((origin, channel)) != (heard, spoke):
                self._said[origin, channel] = (heard, spoke)
                yield Progress(channel, origin.topic, origin.partition, size, heard, spoke)
