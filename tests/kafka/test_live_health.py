"""Health and metrics of a worker: on this machine only, nothing of any customer, and true."""

import json
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from app.core.rule import HOUR, MINUTE
from app.simulate import RECORDED, Day
from schemas.topics import ALERTS
from tests.brokers import Broker
from tests.kafka.live import Live, open_live

pytestmark = pytest.mark.kafka
CUSTOMERS = 120
OF_HANDOFFS = {
    "handoff_alerts_total": {"rule", "phase", "from_channel", "to_channel"},
    "handoff_resolved_total": {"rule", "resolution", "from_channel", "to_channel"},
    "handoff_firing": {"rule", "from_channel", "to_channel"},
    "handoff_detection_delay_seconds_count": {"rule"},
    "handoff_waiting_moments": {"clock"},
    "handoff_watermark_seconds": {"channel"},
    "handoff_feed_age_seconds": {"channel"},
    "handoff_feed_behind_seconds": {"channel"},
    "handoff_events_total": {"channel"},
    "handoff_late_events_total": {"channel"},
    "handoff_ingested_events_total": {"channel"},
    "handoff_skipped_records_total": {"topic"},
    "handoff_rejects_total": {"topic", "stage"},
    "handoff_duplicate_events_total": set(),
    "handoff_ticks_total": set(),
    "handoff_lag_records": {"topic"},
    "handoff_records_total": {"agent"},
}


class Evening:
    """A worker that has heard a simulated day until the evening, with alerts that still fire."""

    def __init__(self, live: Live) -> None:
        day = Day(CUSTOMERS, 11, RECORDED)
        until = day.start_ms + 14 * HOUR
        live.clock.set(day.start_ms)
        live.start()
        live.play((sent for sent in day.records() if sent.sent_ms <= until), until, slice_ms=10 * MINUTE)
        self.live, self.metrics = live, live.metrics()
        self.text = live.get("/metrics")[1]


@pytest.fixture(scope="module")
def evening(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    with open_live(broker, tmp_path_factory.mktemp("health")) as live:
        yield Evening(live)


def names(labels: str) -> set[str]:
    return {part.partition("=")[0] for part in labels.split(",") if part}


def test_a_worker_lives_and_is_ready_with_all_its_partitions(evening: Evening) -> None:
    assert evening.live.get("/livez") == (200, "ok\n")
    status, body = evening.live.get("/readyz")
    assert status == 200
    assert json.loads(body) == {"ready": True, "partitions": {"ingest": 24, "link": 2, "detect": 2}}


def test_it_answers_on_this_machine_only(evening: Evening) -> None:
    port = evening.live.settings.worker.http_port
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), 5)


def test_metrics_have_the_names_and_labels_that_dashboards_rely_on(evening: Evening) -> None:
    found = {name: names(next(iter(evening.metrics[name]))) for name in OF_HANDOFFS}
    assert found == OF_HANDOFFS


def test_no_metric_says_anything_of_a_customer(evening: Evening) -> None:
    customers = {alert["customer"] for alert in evening.live.alerts()} - {""}
    assert len(customers) > 10
    assert not any(customer in evening.text for customer in customers)


def test_the_firing_gauge_is_the_alerts_that_still_fire(evening: Evening) -> None:
    last = {row.key: json.loads(row.value or b"") for row in evening.live.read(ALERTS.name)}
    firing = Counter(alert["rule"] for alert in last.values() if alert["status"] == "firing")
    told: Counter[str] = Counter()
    for labels, number in evening.metrics["handoff_firing"].items():
        told[labels.partition('rule="')[2].partition('"')[0]] += int(number)
    assert +told == firing
    assert sum(firing.values()) > 10


def test_the_firing_gauge_is_right_again_after_a_restart(evening: Evening) -> None:
    before = {labels: n for labels, n in evening.metrics["handoff_firing"].items() if n}
    assert evening.live.stop() == 0
    evening.live.start()
    assert {labels: n for labels, n in evening.live.metrics()["handoff_firing"].items() if n} == before
