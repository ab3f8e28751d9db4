"""ingest: each channel's own records in; canonical events, links, rejects and ticks out. Keeps no state.

Events go to their customer where they name one, else to the links under an identifier (`app.core.routing`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from agents.clock import Now
from agents.routing import rejected, routed
from agents.runtime import Origin, Out
from agents.runtime.task import Record
from agents.ticker import Ticker
from app.channels import Canonical, Channels, Outcome, Refused, Skipped, Stage
from app.core.identity import lacks_order, places
from app.core.routing import Router

NAME = "ingest"


class Ingest:
    """The stage over all channel topics."""

    def __init__(self, channels: Channels, ticker: Ticker, now: Now) -> None:
        self._channels = channels
        self._ticker = ticker
        self._now = now
        self._router = Router()
        self.events: Counter[str] = Counter()
        """Channel → canonical events sent."""
        self.unlinked: Counter[str] = Counter()
        """Channel → those of them that went by way of the links."""
        self.skipped: Counter[str] = Counter()
        """Topic → records of no type of the vocabulary."""
        self.rejected: Counter[tuple[str, str]] = Counter()
        """Topic and stage → rejects."""

    def process(self, records: Sequence[Record]) -> Sequence[Out]:
        return [out for record in records for out in self._translate(record)]

    def _translate(self, record: Record) -> list[Out]:
        origin = Origin(record.topic, record.partition)
        found = self._channels.translate(
            record.topic, record.value or b"", record.headers, (*origin, record.offset), self._now()
        )
        return [out for part in found for out in self._outs(record, origin, part)]

    def _outs(self, record: Record, origin: Origin, part: Outcome) -> Iterable[Out]:
        if isinstance(part, Canonical):
            return self._sent(record, origin, part)
        if isinstance(part, Refused):
            return (self._reject(record, part.stage, part.reason),)
        assert isinstance(part, Skipped)
        self.skipped[record.topic] += 1
        return ()

    def _sent(self, record: Record, origin: Origin, part: Canonical) -> Iterable[Out]:
        data = part.event.fact.data
        route = self._router.route(
            part.customer, part.identifiers, part.at, lacks_order=lacks_order(data), places=places(data)
        )
        if route is None:
            return (self._reject(record, "link", "the event names neither a customer nor an identifier"),)
        self.events[part.channel] += 1
        if route.via is not None:
            self.unlinked[part.channel] += 1
        self._ticker.sent(origin, part.channel, part.at)
        return routed(route, part.value)

    def _reject(self, record: Record, stage: Stage, reason: str) -> Out:
        self.rejected[record.topic, stage] += 1
        return rejected(record, stage, reason)

    def tick(self, caught_up: Mapping[Origin, int], partitions: Mapping[str, int]) -> Sequence[Out]:
        return self._ticker.ticks(caught_up, partitions)
