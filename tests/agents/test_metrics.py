"""What a dashboard finds on /metrics: before anything happened, and after."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample

from agents.ingest import Ingest
from agents.metrics import HandoffCollector
from agents.ticker import Ticker
from app.channels import STAGES, Channels
from app.config import parse_channels
from app.core.counts import Counts, LinkCounts
from app.rules import RULES

TABLES = parse_channels(
    {
        "topics": {"orders": {"channel": "web"}, "sheet": {"channel": "warehouse", "dialect": "sheet"}},
        "dialects": {
            "sheet": {
                "format": "json",
                "events": [
                    {"type": "parcel.accepted", "channel": "carrier", "time": "at", "data": {"tracking_id": "no"}}
                ],
            }
        },
    },
    "channels.toml",
)
CHANNELS = {"web", "warehouse", "carrier"}


class Worker:
    """What a collector reads, and what it makes of it."""

    def __init__(self) -> None:
        self.counts, self.links = Counts(), LinkCounts()
        self.ingest = Ingest(Channels(TABLES), Ticker({}, 1, lambda: 0), lambda: 0)
        self._registry = CollectorRegistry()
        self._registry.register(
            HandoffCollector(self.counts, list, self.ingest, self.links, tables=TABLES, now=lambda: 0)  # type: ignore[arg-type]
        )

    def samples(self, name: str) -> Iterator[Sample]:
        for family in self._registry.collect():
            yield from (sample for sample in family.samples if sample.name == name)

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        return {tuple(sample.labels.values()): sample.value for sample in self.samples(name)}


@pytest.mark.parametrize("of", ["events", "late_events", "ingested_events", "unlinked_events"])
def test_a_counter_by_channel_is_0_from_the_start_for_every_channel_that_a_topic_speaks_for(of: str) -> None:
    assert Worker().values(f"handoff_{of}_total") == {(channel,): 0 for channel in CHANNELS}


def test_rejects_and_skips_are_0_from_the_start_for_every_topic() -> None:
    worker = Worker()
    assert worker.values("handoff_skipped_records_total") == {("orders",): 0, ("sheet",): 0}
    of_channels = {(topic, stage): 0 for topic in ("orders", "sheet") for stage in STAGES}
    own = {("handoff.events", "detect"): 0, ("handoff.links", "link"): 0}
    assert worker.values("handoff_rejects_total") == of_channels | own


def test_what_caps_took_what_was_let_go_and_what_raised_are_0_from_the_start() -> None:
    worker = Worker()
    assert worker.values("handoff_evicted_total") == {("facts",): 0, ("alerts",): 0, ("cases",): 0}
    assert worker.values("handoff_let_go_events_total") == {("wait",): 0, ("parked_each",): 0, ("parked",): 0}
    assert worker.values("handoff_rule_errors_total") == {(rule.id,): 0 for rule in RULES}


def test_what_was_counted_stands_beside_what_was_not() -> None:
    worker = Worker()
    worker.counts.late["web"] += 3
    worker.ingest.rejected["orders", "schema"] += 2
    worker.ingest.skipped["sheet"] += 1
    worker.counts.evicted["cases"] += 4
    worker.counts.rejected += 1
    worker.links.rejected += 5

    assert worker.values("handoff_late_events_total") == {("web",): 3, ("warehouse",): 0, ("carrier",): 0}
    rejects = worker.values("handoff_rejects_total")
    assert rejects["orders", "schema"] == 2
    assert (rejects["handoff.events", "detect"], rejects["handoff.links", "link"]) == (1, 5)
    assert sum(rejects.values()) == 8
    assert worker.values("handoff_skipped_records_total") == {("orders",): 0, ("sheet",): 1}
    assert worker.values("handoff_evicted_total") == {("facts",): 0, ("alerts",): 0, ("cases",): 4}


def test_an_event_of_a_channel_that_was_taken_out_of_the_configuration_is_still_counted() -> None:
    worker = Worker()
    worker.counts.events["phone"] += 1
    assert worker.values("handoff_events_total")["phone",] == 1


def test_every_labelled_sample_has_the_labels_of_its_family() -> None:
    worker = Worker()
    worker.counts.fired["H101", "breach", "web", "pickup"] += 1
    (sample,) = worker.samples("handoff_alerts_total")
    assert sample.labels == {"rule": "H101", "phase": "breach", "from_channel": "web", "to_channel": "pickup"}
