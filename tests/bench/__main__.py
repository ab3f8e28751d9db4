"""`make bench`: the live figures, all on one real broker in one run, as a table and in `.bench/results.json`.

python -m tests.bench [figure …] [--events N] [--customers N] [--memory-customers N] [--soak-minutes M]

detect_24    events keyed by customer, with ticks, are written to `handoff.events` (4 partitions); then one worker
             process, composed as `handoff worker` composes it, exactly-once, all rules on, works through them; its
             channel topics are empty
workers_2    the same with two such processes, which share the partitions: both are started at once, and what they take
             until each has its share is in the figure
detect_4     the same with H101, H107, H201 and H203 alone
end_to_end   the same day as the channels send it, on twelve topics of 4 partitions, through everything up to alerts,
             in one worker process, all rules on; a backfill: everything is there before the worker starts. Two
             events of three do not name their customer, and go by way of the links
cloudevents  the same way for the same day, where every channel speaks CloudEvents and names the customer's id
plain_faust  the records of detect_24 through `plain_faust.py`, for 40 s at most
raw          the records of detect_24 read with aiokafka and not looked at
core         `core.py`: no Kafka
stages       `stages.py`: what ingest, link and detect take of end_to_end; no Kafka
latency      from a channel's record to its alert at a tenth of end_to_end's rate (`latency.py`)
memory       detect_24 with 200,000 customers, for the worker's greatest resident memory
scale        `scale.py`: no Kafka; only where it is asked for, it takes minutes
soak         `soak.py`: memory over 20 minutes at full load; only where it is asked for

Every figure is in events/s, and in events per CPU-second of the worker's process with all its threads; the broker's CPU
is not in it and stands apart, in cores. From the first commit to the last (`system.py`).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from app.config import ChannelTables
from app.rules import RULES
from app.simulate import tables
from app.simulate.day import END
from app.timeline import START
from tests.bench import core, latency, scale, soak, stages
from tests.bench.results import RESULTS, record, table
from tests.bench.system import EVENTS, Cost, Group, Setup, Watch, alerts_in, started, topics_of, write
from tests.bench.workload import PARTITIONS, Message, canonical_tables, channel_records, cloudevents, keyed_events
from tests.brokers import Broker, open_broker

_FOUR = ("H101", "H107", "H201", "H203")
_PLAIN_S = 40.0
_COMPARED = (
    ("workers_2", "detect_24"),
    ("detect_24", "plain_faust"),
    ("detect_4", "plain_faust"),
    ("end_to_end", "detect_24"),
    ("cloudevents", "detect_24"),
    ("detect_24", "raw"),
)
_FIGURES = (
    "raw",
    "detect_24",
    "workers_2",
    "detect_4",
    "plain_faust",
    "end_to_end",
    "cloudevents",
    "latency",
    "memory",
    "core",
    "stages",
    "scale",
    "soak",
)


class Bench:
    """One run: its broker, and how much is measured."""

    def __init__(self, broker: Broker, folder: Path, asked: argparse.Namespace) -> None:
        self.broker, self.folder, self.asked = broker, folder, asked

    def keyed(self, figures: list[str]) -> None:
        """The figures upon `handoff.events`, which is written once."""
        setup = Setup(self.broker, self.folder / "keyed", canonical_tables(), START)
        with topics_of(setup):
            written = write(self.broker, keyed_events(self.asked.events, self.asked.customers))
            assert written == self.asked.events, f"the day has only {written} events"
            for name, measure in self._of_keyed().items():
                if name in figures:
                    measure()

    def _of_keyed(self) -> dict[str, Callable[[], None]]:
        return {
            "raw": self.raw,
            "detect_24": lambda: self.detect("detect_24", {}),
            "workers_2": self.workers_2,
            "detect_4": lambda: self.detect("detect_4", {r.id: {"enabled": False} for r in RULES if r.id not in _FOUR}),
            "plain_faust": self.plain,
        }

    def raw(self) -> None:
        command = [sys.executable, "-m", "tests.bench.raw", self.broker.bootstrap, EVENTS.name, str(PARTITIONS)]
        took = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        _record("raw", Cost(took["records"], took["wall_s"], took["cpu_s"]))

    def detect(self, figure: str, rules: dict[str, object]) -> None:
        setup = Setup(self.broker, self.folder / figure, canonical_tables(), START, rules)
        group = Group(self.broker, setup.settings.worker.app_id)
        goal, before = group.ends(EVENTS.name), alerts_in(self.broker)
        with topics_of(setup), setup.running() as process:
            watch = Watch(group, [process], setup.folder / "worker.log", self.broker)
            cost = watch.cost(watch.until(EVENTS.name, goal), self.asked.events / goal)
        group.close()
        of = {"rules": len(RULES) - len(rules), "alerts": alerts_in(self.broker) - before}
        _record(figure, cost, events=self.asked.events, customers=self.asked.customers, **of)

    def workers_2(self) -> None:
        one = Setup(self.broker, self.folder / "workers-1", canonical_tables(), START)
        other = Setup(self.broker, self.folder / "workers-2", canonical_tables(), START, beside=one)
        group = Group(self.broker, one.settings.worker.app_id)
        goal = group.ends(EVENTS.name)
        with topics_of(one), one.running() as first, other.running() as second:
            watch = Watch(group, [first, second], one.folder / "worker.log", self.broker)
            cost = watch.cost(watch.until(EVENTS.name, goal), self.asked.events / goal)
        group.close()
        _record("workers_2", cost, events=self.asked.events, customers=self.asked.customers, rules=len(RULES))

    def plain(self) -> None:
        environment = {"BENCH_BOOTSTRAP": self.broker.bootstrap, "BENCH_FOLDER": str(self.folder / "plain-faust")}
        command = [sys.executable, "-m", "tests.bench.plain_faust", "worker", "-l", "warn"]
        log = self.folder / "plain.log"
        group = Group(self.broker, "plain-faust")
        goal = group.ends(EVENTS.name)
        self.broker.create_topics({"plain-faust-alerts": PARTITIONS})
        with started(command, log, environment) as process:
            watch = Watch(group, [process], log, self.broker)
            cost = watch.cost(watch.until(EVENTS.name, goal, _PLAIN_S), self.asked.events / goal)
        group.close()
        _record("plain_faust", cost, rules=len(_FOUR))

    def end_to_end(self) -> None:
        self._whole_way("end_to_end", tables(), channel_records)

    def cloudevents(self) -> None:
        self._whole_way("cloudevents", canonical_tables(), cloudevents)

    def _whole_way(self, figure: str, shop: ChannelTables, records: Callable[[int, int], Iterator[Message]]) -> None:
        setup = Setup(self.broker, self.folder / figure, shop, END)
        group = Group(self.broker, setup.settings.worker.app_id)
        with topics_of(setup):
            sent = write(self.broker, records(self.asked.events, self.asked.customers))
            with setup.running() as process:
                watch = Watch(group, [process], setup.folder / "worker.log", self.broker)
                samples = watch.until_all(EVENTS.name, list(setup.tables.topics))
            left = [name for name in setup.tables.topics if group.committed(name) < group.ends(name)]
            assert not left, f"the worker stood still before the end of {left}"
            alerts = alerts_in(self.broker)
        assert alerts, "the worker was stopped before it said anything"
        group.close()
        cost = watch.cost(samples, sent / samples[-1].done)
        _record(figure, cost, events=sent, customers=self.asked.customers, rules=len(RULES), alerts=alerts)

    def latency(self) -> None:
        known = _known().get("end_to_end", {}).get("events_per_s", 20_000)
        record("latency", latency.measure(self.broker, self.folder / "latency", known / 10))

    def soak(self) -> None:
        asked = self.asked
        found = soak.measure(self.broker, self.folder / "soak", asked.soak_minutes, asked.memory_customers)
        record("soak", found)
        print(f"soak: {json.dumps(found)}", flush=True)

    def memory(self) -> None:
        self.asked.customers, self.asked.events = self.asked.memory_customers, self.asked.memory_customers * 5
        setup = Setup(self.broker, self.folder / "many", canonical_tables(), START)
        with topics_of(setup):
            write(self.broker, keyed_events(self.asked.events, self.asked.customers))
            self.detect("memory", {})


def _record(figure: str, cost: Cost, **more: object) -> None:
    result = cost.as_result() | more
    record(figure, result)
    print(f"{figure}: {json.dumps(result)}", flush=True)


def _known() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def summary(figures: list[str]) -> str:
    """The table, and how the figures stand to one another in events per CPU-second."""
    known = _known()
    head = ("figure", "events/s", "events/CPU-s", "broker cores", "RSS MB")
    keys = ("events_per_s", "events_per_cpu_s", "broker_cpu_share", "rss_max_mb")
    measured = [name for name in figures if "events_per_s" in known.get(name, {}) and name != "latency"]
    rows = [(name, *(f"{known[name].get(key, 0):,}" for key in keys)) for name in measured]
    lines = [table(head, rows)] if rows else []
    for one, other in _COMPARED:
        if {one, other} <= known.keys():
            lines.append(f"{one} / {other}: {known[one]['events_per_cpu_s'] / known[other]['events_per_cpu_s']:.2f}")
    if "latency" in figures:
        lines.append("latency {p50_ms} ms p50, {p99_ms} ms p99 at {events_per_s} events/s".format_map(known["latency"]))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the detector on a real broker.")
    parser.add_argument("figures", nargs="*", metavar="figure", help=f"of {', '.join(_FIGURES)} [default: all]")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--memory-customers", type=int, default=200_000)
    parser.add_argument("--soak-minutes", type=float, default=20.0)
    asked = parser.parse_args()
    figures = [name for name in _FIGURES if name in (asked.figures or _FIGURES[:-2])]
    if not {"core", "stages", "scale"}.issuperset(figures):
        _live(asked, figures)
    if "core" in figures:
        core.main(core.EVENTS)
    if "stages" in figures:
        stages.main(stages.RECORDS, stages.CUSTOMERS)
    if "scale" in figures:
        scale.main()
    print(summary(figures))


def _live(asked: argparse.Namespace, figures: list[str]) -> None:
    broker = open_broker(os.environ.get("HANDOFF_TEST_BROKER", "kafka"))
    print(f"broker: {broker.source}; {os.cpu_count()} cores", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            _measure(Bench(broker, Path(folder), asked), figures)
    finally:
        broker.close()


def _measure(bench: Bench, figures: list[str]) -> None:
    keyed = [name for name in figures if name in bench._of_keyed()]
    if keyed:
        bench.keyed(keyed)
    for name in ("end_to_end", "cloudevents", "latency", "memory", "soak"):
        if name in figures:
            getattr(bench, name)()


if __name__ == "__main__":
    main()
