"""link: events that lack their customer in, linked ones out. Decides nothing: it hands bytes to the core and back."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from agents.routing import key_of, noted, rejected
from agents.runtime import Out, Work
from agents.runtime.task import Reader, Record
from app.core.links import LinksPartition, Output, Passed, Ticked
from schemas.codec import UnknownType, Unreadable, encode_tick
from schemas.links import decode_link_record, linked
from schemas.topics import EVENTS

NAME = "link"
TABLE = "identities"

MakePartition = Callable[[int, Reader], LinksPartition]
"""Makes the core of one links partition, by its number."""


class Linker:
    """The task of one partition of `handoff.links`. `partitions` says how many each topic that is told the time has."""

    def __init__(self, partition: int, read: Reader, make: MakePartition, partitions: Mapping[str, int]) -> None:
        self.partition = make(partition, read)
        self._source = f"/handoff/links/{partition}"
        self._partitions = partitions

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self.partition.restore(rows)

    def process(self, records: Sequence[Record]) -> Work:
        outputs: list[Out] = []
        for record in records:
            try:
                decoded = decode_link_record(record.value or b"")
            except UnknownType:
                self.partition.counts.skipped += 1
            except Unreadable as error:
                outputs.append(rejected(record, NAME, str(error)))
                self.partition.counts.rejected += 1
            else:  # a row that cannot be read is no fault of the record: it ends the process, and nothing is taken
                self.partition.feed((record.key or b"").decode(errors="replace"), decoded)
                outputs += self._sent(self.partition.drain())
        work = self.partition.flush()
        return Work([*outputs, *self._sent(work.outputs)], work.rows)

    def _sent(self, outputs: Iterable[Output]) -> Iterator[Out]:
        for output in outputs:
            if isinstance(output, Passed):
                value = linked(output.value, output.customer, output.order)
                yield Out(EVENTS.name, key_of(output.customer), value)
            elif isinstance(output, Ticked):
                yield from self._ticks(output)
            else:
                yield noted(output)

    def _ticks(self, ticked: Ticked) -> Iterator[Out]:
        value = encode_tick(self._source, max(p.heard for p in ticked.progress), ticked.progress)
        for partition in range(self._partitions[ticked.topic]):
            yield Out(ticked.topic, None, value, partition)
