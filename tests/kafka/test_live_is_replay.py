"""What is said live is what a replay says: byte for byte but for the topic offsets."""

import pytest

from app.compose import detector
from app.core.links import with_links
from app.rules import RULES
from app.simulate import check
from schemas.codec import decode_alert, decode_record, encode_alert
from schemas.topics import ALERTS, EVENTS
from tests.kafka.live import PARTITIONS, Live
from tests.kafka.recorded_day import Recording, replayed, said

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def values(live: Live, topic: str) -> list[bytes]:
    return [row.value or b"" for row in live.read(topic)]


def of_the_log(live: Live) -> list[bytes]:
    """What the core alone says of `handoff.events`, ticks included, partition by partition."""
    log = live.read(EVENTS.name)
    feeds = with_links(live.tables.feeds())
    detecting = detector(RULES, feeds, live.settings.rule_settings(), live.settings.core_limits())
    found = []
    for number in range(PARTITIONS):
        table: dict[bytes, bytes | None] = {}
        partition = detecting.partition(number, table.get)
        for row in (row for row in log if row.partition == number):
            partition.feed((row.key or b"").decode(), decode_record(row.value or b""))
            work = partition.flush()
            table.update(work.rows)
            found += [encode_alert(alert) for alert in work.alerts]
    return found


def test_a_recorded_day_gives_the_same_alerts_through_a_worker_through_replay_and_from_its_log(live: Live) -> None:
    recording = Recording()
    live.clock.set(recording.start_ms)
    live.start()
    live.play(recording.records, recording.end_ms, heard_before=recording.waits)
    assert live.stop() == 0

    spoken = values(live, ALERTS.name)
    assert check(recording.truth.labels, map(decode_alert, spoken)).perfect
    assert said(spoken) == said(replayed(live, recording))
    assert sorted(spoken) == sorted(of_the_log(live))
