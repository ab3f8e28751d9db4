"""Plain integers that the runtime adds to, and a collector that reads them when it is scraped."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of a duration."""


class Histogram:
    """Counts durations in seconds by bucket."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and cumulative count, as Prometheus wants them."""
        bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
        return list(zip(bounds, (float(n) for n in accumulate(self.counts)), strict=True))


class AgentCounters:
    """What one agent has done since the process started."""

    __slots__ = ("batch_seconds", "commit_seconds", "commits", "failures", "outputs", "oversize", "records", "rows")

    def __init__(self) -> None:
        self.records = 0
        self.outputs = 0
        self.rows = 0
        self.commits = 0
        self.oversize = 0
        self.batch_seconds = Histogram()
        """From taking a batch to having it committed."""
        self.commit_seconds = Histogram()
        """The part of it that waited for the broker: sends, offsets and the end of the transaction."""


class Gauges(Protocol):
    """What is read off the running worker at scrape time."""

    def lag(self) -> Iterable[tuple[str, int]]:
        """Records not yet processed, by input topic."""

    def recovery_left(self) -> Iterable[tuple[str, int]]:
        """Changelog offsets not yet read back, by table."""

    def partitions(self) -> Iterable[tuple[str, int]]:
        """Partitions at work, by agent."""


class Metrics:
    """All counters of a worker, and the registry that /metrics shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.agents: dict[str, AgentCounters] = {}
        self.rebalances = 0
        self.local_state_put_aside = 0
        self.gauges: Gauges | None = None
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def agent(self, name: str) -> AgentCounters:
        return self.agents.setdefault(name, AgentCounters())

    def register(self, collector: object) -> None:
        """Adds a collector (an object with `collect()`) to what /metrics shows."""
        self.registry.register(collector)  # type: ignore[arg-type]

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        yield from self._counters()
        yield from self._histograms()
        yield _counter("handoff_rebalances", "Assignments of partitions to this worker.", self.rebalances)
        yield _counter("handoff_state_put_aside", "Local states that could not be used.", self.local_state_put_aside)
        if self.gauges is not None:
            yield _gauge("handoff_lag_records", "Records not yet processed.", "topic", self.gauges.lag())
            yield _gauge(
                "handoff_recovery_left_records",
                "Changelog records not yet read back.",
                "table",
                self.gauges.recovery_left(),
            )
            yield _gauge("handoff_partitions", "Partitions at work here.", "agent", self.gauges.partitions())

    def _counters(self) -> Iterator[Metric]:
        for attribute, text in (
            ("records", "Records processed."),
            ("outputs", "Records produced, changelogs not counted."),
            ("rows", "Table rows written or deleted."),
            ("commits", "Commits: transactions, or offset commits where there are none."),
            ("oversize", "Outputs too large to be produced."),
        ):
            family = CounterMetricFamily(f"handoff_{attribute}", text, labels=["agent"])
            for name, counters in self.agents.items():
                family.add_metric([name], getattr(counters, attribute))
            yield family

    def _histograms(self) -> Iterator[Metric]:
        for attribute, text in (
            ("batch_seconds", "From taking a batch to having it committed."),
            ("commit_seconds", "Waiting for the broker within a batch."),
        ):
            family = HistogramMetricFamily(f"handoff_{attribute}", text, labels=["agent"])
            for name, counters in self.agents.items():
                histogram: Histogram = getattr(counters, attribute)
                family.add_metric([name], histogram.buckets(), histogram.total)
            yield family


def _counter(name: str, text: str, value: int) -> Metric:
    family = CounterMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _gauge(name: str, text: str, label: str, values: Iterable[tuple[str, int]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family
