"""detect: events and ticks of one partition in, alerts out. Decides nothing: it hands bytes to the core and back."""

import logging
from collections.abc import Iterable, Sequence

from agents.routing import rejected
from agents.runtime import Out, Work
from agents.runtime.task import Reader, Record
from app.compose import Detector
from app.core.counts import Counts
from app.core.partition import Partition
from schemas.codec import UnknownType, Unreadable, decode_record, encode_alert
from schemas.topics import ALERTS

log = logging.getLogger(__name__)

NAME = "detect"
TABLE = "journeys"


class Detect:
    """The task of one partition of `handoff.events`."""

    def __init__(self, partition: int, read: Reader, detector: Detector, counts: Counts) -> None:
        self.partition: Partition = detector.partition(partition, read, counts=counts)

    def restore(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        self.partition.restore(rows)

    def process(self, records: Sequence[Record]) -> Work:
        rejects: list[Out] = []
        for record in records:
            try:
                decoded = decode_record(record.value or b"")
            except UnknownType:
                self.partition.counts.skipped += 1
            except Unreadable as error:
                rejects.append(rejected(record, NAME, str(error)))
                self.partition.counts.rejected += 1
            else:  # a row that cannot be read is no fault of the record: it ends the process, and nothing is taken
                self.partition.feed((record.key or b"").decode(errors="replace"), decoded)
        work = self.partition.flush()
        for rule, fault in self.partition.counts.untold():  # said once; how often is counted
            log.error("%s raised %s: it says nothing of what it was looking at", rule, fault)
        alerts = [Out(ALERTS.name, alert.id.encode(), encode_alert(alert)) for alert in work.alerts]
        return Work([*alerts, *rejects], work.rows)
