"""How much the worker has still to read: the player waits while that is much.

What a day tells in hours is played in seconds. A worker that is behind by some of them reads a feed's records hours
before those of another, and then lateness that the day never had makes alerts that are taken back: the demo would show
how busy the machine is, and not what the day was like.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

MOST: Final = 2_000
"""Records in all topics: of a day of 3,000 customers about an hour and a half."""
_LOOK_EVERY_S: Final = 0.2

Metrics = Callable[[], Awaitable[Mapping[str, Sequence[float]]]]


class Backlog:
    """Asks the worker's metrics, again and again, for as long as it is followed."""

    def __init__(self, metrics: Metrics, most: int = MOST) -> None:
        self._metrics = metrics
        self._most = most
        self._small = asyncio.Event()
        self._small.set()

    async def follow(self) -> None:
        """Keeps an eye on it. A worker that does not answer is nobody to wait for."""
        while True:
            try:
                records = sum((await self._metrics()).get("handoff_lag_records", ()))
            except OSError:
                records = 0
            if records > self._most:
                self._small.clear()
            else:
                self._small.set()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def worked_off(self) -> None:
        """Returns once there is not too much of it."""
        await self._small.wait()
