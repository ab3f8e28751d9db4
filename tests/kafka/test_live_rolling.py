"""Workers are stopped and started again, one after the other, as when a new release is rolled out."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGTERM

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import EVENTS, LINKS
from tests.brokers import Broker
from tests.faults.campaign import finish
from tests.faults.fleet import Fleet
from tests.faults.steady import Steady
from tests.faults.verdict import judge
from tests.kafka.live import PARTITIONS, Live, open_live
from tests.kafka.recorded_day import morning

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
RATE = 60.0
"""Records a second; each tick of the clock is a record more in every partition."""
STANDSTILL_S = 30.0
"""What a rebalance may take, at most. A worker that is back within its session (6 s) needs none."""


class Standstill:
    """For how long, at most, each partition of events and links had records to process and none was committed."""

    def __init__(self, live: Live) -> None:
        options = {"bootstrap.servers": live.broker.bootstrap, "group.id": live.settings.worker.app_id, "log_level": 0}
        self._consumer = Consumer({**options, "enable.auto.commit": False})
        self._partitions = [TopicPartition(t.name, n) for t in (EVENTS, LINKS) for n in range(PARTITIONS)]
        self._committed: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self.longest_s: dict[str, float] = {}
        """Topic and partition → seconds."""

    def look(self) -> None:
        """To be called often."""
        for found in self._consumer.committed(self._partitions, timeout=10):
            name = f"{found.topic}-{found.partition}"
            _, end = self._consumer.get_watermark_offsets(TopicPartition(found.topic, found.partition), timeout=10)
            now = time.monotonic()
            # Where transactions are kept, their ends are marked in the log, and nobody processes the last marks.
            if self._committed.get(name) != found.offset or found.offset >= end - PARTITIONS:
                self._committed[name], self._since[name] = found.offset, now
            self.longest_s[name] = max(self.longest_s.get(name, 0.0), now - self._since[name])

    def while_waiting(self, until: Callable[[], bool]) -> Callable[[], bool]:
        """The condition, looking each time that it is asked."""

        def looking() -> bool:
            self.look()
            return until()

        return looking

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def live(transactional_broker: Broker, tmp_path: Path) -> Iterator[Live]:
    with open_live(transactional_broker, tmp_path, start_ms=morning().start_ms) as opened:
        yield opened


def test_a_rolling_restart_under_steady_load_loses_nothing_and_says_nothing_twice(live: Live) -> None:
    # given
    recording = morning()
    fleet = Fleet(live, static=True)
    steady, standstill = Steady(live, recording, fleet.settled, RATE), Standstill(live)
    try:
        for _ in range(2):
            fleet.add().start()
        fleet.wait(fleet.settled)
        steady.start()
        # when
        for worker in fleet.members:
            begun = steady.sent
            fleet.wait(standstill.while_waiting(lambda begun=begun: steady.sent > begun + 3 * RATE))  # type: ignore[misc]
            moment = live.clock()
            worker.end(SIGTERM)
            worker.start()
            fleet.wait(standstill.while_waiting(lambda moment=moment: fleet.recovered(moment)))  # type: ignore[misc]
            assert not steady.done, "the day was over before every worker was restarted"
        finish(fleet, steady)
        # then
        verdict = judge(live, recording)
    finally:
        steady.close()
        standstill.close()
        fleet.close()
    sys.stdout.write(f"seconds without progress: {standstill.longest_s}\n")
    assert not fleet.ends, "no worker ended unasked"
    assert verdict.alerts > 20
    assert verdict.perfect, verdict
    assert 0 < max(standstill.longest_s.values()) < STANDSTILL_S
