"""Plays a day through the channel topics, faster than the wall, and moves the shared clock with it.

The clock is moved to a moment only after everything sent up to it was acknowledged: so whoever reads "now" and finds
nothing newer in a topic knows that there is nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.clock import SharedClock
from app.simulate import Sent

SEND_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 3.0


class Player:
    """`speed` is seconds of the day for each second of the wall; one slice is sent every `slice_ms` of the day, and not
    before `may_go_on` returns.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        clock: SharedClock,
        speed: float,
        slice_ms: int,
        may_go_on: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._may_go_on = may_go_on
        self._clock = clock
        self._speed = speed
        self._slice_ms = slice_ms
        self.sent = 0

    async def play(self, day: Iterable[Sent], until_ms: int, progress: Callable[[int], None]) -> None:
        """Sends everything in the order of sending; `progress` is told the moment (ms) after each slice."""
        producer = AIOKafkaProducer(
            **self._client, enable_idempotence=True, compression_type="lz4", max_batch_size=64 * 1024, linger_ms=2
        )
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await producer.start()
        try:
            began, start = monotonic(), self._clock()
            for moment, slice_ in self._slices(day, start, until_ms):
                await self._send(producer, slice_)
                self._clock.set(moment)
                progress(moment)
                ahead = (moment - start) / 1000 / self._speed - (monotonic() - began)
                await asyncio.sleep(max(0.0, ahead))
                began += await self._held_up()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await producer.stop()

    async def _held_up(self) -> float:
        """For how long, seconds."""
        began = monotonic()
        await self._may_go_on()
        return monotonic() - began

    def _slices(self, day: Iterable[Sent], start: int, until_ms: int) -> Iterator[tuple[int, list[Sent]]]:
        """Every moment at a slice's end, with what was sent in the slice; quiet slices are there too."""
        moment = start + self._slice_ms
        for index, group in groupby(day, key=lambda sent: max(0, sent.sent_ms - start) // self._slice_ms):
            end = start + (index + 1) * self._slice_ms
            while moment < end:
                yield moment, []
                moment += self._slice_ms
            yield moment, list(group)
            moment += self._slice_ms
        while moment < until_ms + self._slice_ms:
            yield moment, []
            moment += self._slice_ms

    async def _send(self, producer: AIOKafkaProducer, slice_: list[Sent]) -> None:
        futures = [await producer.send(s.topic, s.value, key=s.key, timestamp_ms=s.at_ms) for s in slice_]
        # Not `wait_for`: before Python 3.12 it forgets that it was cancelled when what it waits for is just done.
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await asyncio.gather(*futures)
        self.sent += len(futures)
