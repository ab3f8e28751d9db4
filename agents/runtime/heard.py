"""How far each input partition has been heard: not when an answer came, but when the question was asked.

A fetch that finds nothing newer proves that everything which existed when it was *sent* has been read. A worker that is
frozen between question and answer must not claim more than that, and nothing of what it asked before a rebalance.

Written in the client's thread only; other threads only look a claim up.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

Send = Callable[..., Awaitable[Any]]


class Asked(NamedTuple):
    """At this moment nothing existed beyond what had been read by then."""

    at_ms: int
    """When the fetch was asked for."""
    after: int
    """The offset after the last record read by then; 0 where none has been read since the assignment."""


class Heard:
    """Listens to a client's fetches and to the records it gives out."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._epoch = 0
        self._read: dict[TP, int] = {}
        self.caught_up: dict[TP, Asked] = {}
        self.last_answer = time.monotonic()
        """When any fetch was last answered, on the monotonic clock: a broker that is gone is noticed by it."""

    def listening(self, send: Send) -> Send:
        """Wraps a client's `send`, noting what each fetch's answer proves."""

        async def heard(node_id: Any, request: Any, **options: Any) -> Any:
            if not isinstance(request, FetchRequest):
                return await send(node_id, request, **options)
            asked, epoch = self._now(), self._epoch
            response = await send(node_id, request, **options)
            if epoch == self._epoch:
                self.note(asked, request, response)
            return response

        return heard

    def note(self, asked_ms: int, request: Any, response: Any) -> None:
        """Takes in one fetch: asked for at `asked_ms`, with the request and the answer as the client has them."""
        self.last_answer = time.monotonic()
        wanted = {(topic, part[0]): part[1] for topic, parts in request.topics for part in parts}
        for topic, parts in response.topics:
            for partition, error, highwater, *_ in parts:
                offset = wanted.get((topic, partition))
                if error == 0 and offset is not None and offset >= highwater:
                    tp = TP(topic, partition)
                    self.caught_up[tp] = Asked(asked_ms, self._read.get(tp, 0))

    def gave_out(self, tp: TP, after: int) -> None:
        """The client has given out the records of a partition up to before `after`."""
        self._read[tp] = after

    def forget(self) -> None:
        """Drops all claims, and the answers under way: after a rebalance only new fetches count."""
        self._epoch += 1
        self._read.clear()
        self.caught_up.clear()
