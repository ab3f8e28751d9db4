"""What /metrics says of handoffs: read off the counters at scrape time; nothing by customer.

A counter whose labels are known beforehand (the channels and topics of the configuration, the rules) is there from the
start, at 0: the increase of one that only appears with its first event cannot be seen.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from agents import detect, link
from agents.clock import Now
from agents.ingest import Ingest
from app.channels import STAGES
from app.config import ChannelTables
from app.core.counts import Counts, LinkCounts
from app.rules import RULES
from schemas.topics import EVENTS, LINKS

CAPS = ("facts", "alerts", "cases")
"""What `Counts.evicted` counts."""
LET_GO = ("wait", "parked_each", "parked")
"""What `LinkCounts.let_go` counts."""
_SEAM = ("from_channel", "to_channel")


class HandoffCollector:
    """Collects from the detect tasks at work here (given when asked), the ingest stage and the links."""

    def __init__(
        self,
        counts: Counts,
        tasks: Callable[[], Iterable[detect.Detect]],
        ingest: Ingest,
        links: LinkCounts,
        *,
        tables: ChannelTables,
        now: Now,
    ) -> None:
        self._counts = counts
        self._tasks = tasks
        self._ingest = ingest
        self._links = links
        self._now = now
        self._channels = [feed.channel for feed in tables.feeds()]
        self._topics = list(tables.topics)

    def collect(self) -> Iterator[Metric]:
        yield from self._alerts()
        yield from self._cases()
        yield from self._feeds()
        yield from self._records()
        yield from self._linked()
        yield from self._totals()

    def _alerts(self) -> Iterator[Metric]:
        counts = self._counts
        yield _counter("handoff_alerts", "Alerts that entered a phase.", ("rule", "phase", *_SEAM), counts.fired)
        yield _counter("handoff_resolved", "Alerts resolved.", ("rule", "resolution", *_SEAM), counts.resolved)
        delay = SummaryMetricFamily(
            "handoff_detection_delay_seconds", "From a deadline until its breach was noticed.", labels=["rule"]
        )
        for rule, total in counts.delay_ms.items():
            number = sum(n for key, n in counts.fired.items() if key[0] == rule and key[1] == "breach")
            delay.add_metric([rule], number, total / 1000)
        yield delay

    def _cases(self) -> Iterator[Metric]:
        firing: Counter[tuple[str, ...]] = Counter()
        waiting: Counter[tuple[str, ...]] = Counter()
        for task in self._tasks():
            firing.update(task.partition.firing)
            waiting.update({(clock,): number for clock, number in task.partition.waiting().items()})
        yield _gauge("handoff_firing", "Alerts firing now.", ("rule", *_SEAM), firing)
        yield _gauge(
            "handoff_waiting_moments", "Moments of a clock at which cases are judged again.", ("clock",), waiting
        )

    def _feeds(self) -> Iterator[Metric]:
        """The worst of the partitions here speaks for a channel."""
        now = self._now()
        clocks = [task.partition.clocks for task in self._tasks()]
        marks = _least(clock.marks for clock in clocks)
        spoke = _least(clock.spoke for clock in clocks)
        heard = _least(clock.heard for clock in clocks)
        yield _gauge("handoff_watermark_seconds", "Watermark, seconds since 1970.", ("channel",), marks, 1000)
        age = {key: now - moment for key, moment in spoke.items()}
        yield _gauge("handoff_feed_age_seconds", "Time since a channel last spoke.", ("channel",), age, 1000)
        behind = {key: now - moment for key, moment in heard.items()}
        words = "How long ago a channel was heard up to; as much as links.hold more while an event waits for its link."
        yield _gauge("handoff_feed_behind_seconds", words, ("channel",), behind, 1000)

    def _records(self) -> Iterator[Metric]:
        counts, ingest = self._counts, self._ingest
        own = {(EVENTS.name, detect.NAME): counts.rejected, (LINKS.name, link.NAME): self._links.rejected}
        rejects = dict.fromkeys(product(self._topics, STAGES), 0) | own | ingest.rejected
        yield self._by_channel("handoff_events", "Events taken in.", counts.events)
        yield self._by_channel("handoff_late_events", "Events behind their channel's watermark.", counts.late)
        yield self._by_channel("handoff_ingested_events", "Canonical events sent.", ingest.events)
        yield _known(
            "handoff_skipped_records", "Records outside the vocabulary.", "topic", self._topics, ingest.skipped
        )
        yield _counter("handoff_rejects", "Records that could not be read.", ("topic", "stage"), rejects)
        yield _known("handoff_evicted", "What a cap took.", "what", CAPS, counts.evicted)
        yield _known(
            "handoff_rule_errors", "Steps in which a rule raised.", "rule", (rule.id for rule in RULES), counts.errors
        )

    def _by_channel(self, name: str, text: str, values: Counter[str]) -> Metric:
        return _known(name, text, "channel", self._channels, values)

    def _linked(self) -> Iterator[Metric]:
        links = self._links
        yield self._by_channel("handoff_unlinked_events", "Events that lacked their customer.", links.events)
        yield _known("handoff_let_go_events", "Why events went on unlinked.", "why", LET_GO, links.let_go)
        for name, text, number in (
            ("handoff_linked_events", "Events that found their customer.", links.linked),
            ("handoff_provisional_events", "Events under a customer of their own.", links.provisional),
            ("handoff_parked_events", "Events that had to wait for a link.", links.parked),
            ("handoff_shared_identifiers", "Identifiers that lead to too many to link.", links.shared),
        ):
            yield _counter(name, text, (), {(): number})

    def _totals(self) -> Iterator[Metric]:
        counts = self._counts
        for name, text, number in (
            ("handoff_repeated_records", "Records sent again by a restarted ingest.", counts.repeated),
            ("handoff_duplicate_events", "Events a case knew already.", counts.duplicates),
            ("handoff_closed_cases", "Cases closed by retention.", counts.closed),
            ("handoff_ticks", "Ticks taken in.", counts.ticks),
        ):
            yield _counter(name, text, (), {(): number})


def _known(name: str, text: str, label: str, known: Iterable[str], values: Counter[str]) -> Metric:
    """A counter of one label, at 0 for what is known and was never counted."""
    return _counter(
        name, text, (label,), {(key,): number for key, number in (dict.fromkeys(known, 0) | values).items()}
    )


def _least(clocks: Iterable[Mapping[str, int]]) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = {}
    for moments in clocks:
        for channel, moment in moments.items():
            found[channel,] = min(moment, found.get((channel,), moment))
    return found


def _counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, number in values.items():
        family.add_metric(key, number)
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, int], over: int = 1) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, number in values.items():
        family.add_metric(key, number / over)
    return family
