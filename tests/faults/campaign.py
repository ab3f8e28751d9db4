"""The fault campaign: workers of the whole product under steady input, and what befalls workers and brokers.

python -m tests.faults.campaign [--faults N] [--seed S] [--broker KIND] [--only FAULT]

Each round plays a recorded day on topics of its own through one worker, or two that share the partitions, with dynamic
or static membership, while faults of a seeded plan follow one another; then the alerts are compared with the oracles
(`tests.faults.verdict`). The last line of the output is the sum of it. `.bench/faults.json` keeps the figures.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from tests.brokers import Broker, open_broker
from tests.faults.fleet import Fleet
from tests.faults.kinds import KINDS
from tests.faults.steady import Steady
from tests.faults.verdict import Verdict, judge
from tests.kafka.live import open_live
from tests.kafka.recorded_day import Recording

FAULTS = 56
A_ROUND = 7
"""Faults of a full round."""
_FILE = Path(".bench") / "faults.json"
_RATE = 28.0
"""Records a second: a day lasts for about seven faults."""
_SETTLE_S = 240.0


@dataclass(frozen=True)
class Setting:
    """How a round begins."""

    workers: int
    static: bool

    def __str__(self) -> str:
        return f"{self.workers} worker{'s' * (self.workers > 1)}, {'static' if self.static else 'dynamic'} membership"


SETTINGS = (Setting(1, False), Setting(2, False), Setting(2, True), Setting(1, True), Setting(2, False))


@dataclass
class Round:
    """What came of a round."""

    setting: Setting
    verdict: Verdict
    recoveries: list[tuple[str, float]] = field(default_factory=list)
    """Kind of fault and the seconds until the detector was whole again, in their order."""
    ends: Mapping[int, int] = field(default_factory=dict)
    """Exit status → workers that ended with it unasked."""
    sent_under_faults: int = 0
    fenced: int = 0
    """Zombies that were refused by the broker and ended."""
    put_aside: int = 0
    """Local states that could not be used and were read back from the changelog."""


def plan(faults: int, chance: random.Random, kinds: Sequence[str] = tuple(KINDS)) -> list[str]:
    """So many faults, each kind as often as any other, in random order."""
    whole, rest = divmod(faults, len(kinds))
    chosen = list(kinds) * whole + chance.sample(list(kinds), rest)
    chance.shuffle(chosen)
    return chosen


def play_round(
    broker: Broker, folder: Path, setting: Setting, faults: Sequence[str], recording: Recording, *, seed: int
) -> Round:
    """One day under these faults. Raises AssertionError where the detector does not recover at all."""
    chance = random.Random(seed)
    with open_live(broker, folder, start_ms=recording.start_ms) as live:
        fleet = Fleet(live, static=setting.static)
        steady = Steady(live, recording, fleet.settled, _RATE)
        try:
            for _ in range(setting.workers):
                fleet.add().start()
            fleet.wait(lambda: fleet.look().ready)
            steady.start()
            recoveries = list(_strike(fleet, steady, faults, chance))
            sent = steady.sent
            finish(fleet, steady)
            return Round(
                setting,
                judge(live, recording),
                recoveries,
                dict(fleet.ends),
                sent,
                fleet.said("worker ends: detect: partition", "ProducerFenced"),
                fleet.said("is put aside as"),
            )
        finally:
            steady.close()
            fleet.close()


def _strike(fleet: Fleet, steady: Steady, faults: Iterable[str], chance: random.Random) -> Iterator[tuple[str, float]]:
    for kind in faults:
        calm = time.monotonic() + chance.uniform(0.3, 2.5)
        fleet.wait(lambda calm=calm: time.monotonic() > calm)  # type: ignore[misc]
        assert not steady.done, "the day was over before the faults were"
        took = KINDS[kind](fleet, chance)
        sys.stdout.write(f"  {kind}: {took:.1f} s\n")
        sys.stdout.flush()
        yield kind, took


def finish(fleet: Fleet, steady: Steady) -> None:
    """Lets the day come to its end, and ends the workers in good order."""
    steady.hurry.set()
    fleet.wait(lambda: steady.done, _SETTLE_S)
    fleet.wait(fleet.settled, _SETTLE_S)
    for member in fleet.members:
        assert member.process is not None
        member.process.terminate()
    for member in fleet.members:
        assert member.process is not None
        assert member.process.wait(20) == 0, member.log[-2000:]
        member.process = None


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values that at least this share of them does not exceed; 0 of none."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else 0.0


def by_kind(rounds: Iterable[Round]) -> dict[str, list[float]]:
    """Kind of fault → recovery times, s."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in rounds:
        for kind, took in one.recoveries:
            found[kind].append(took)
    return dict(sorted(found.items()))


def total(rounds: Sequence[Round]) -> str:
    """The sum of a campaign in one line."""
    times = [took for values in by_kind(rounds).values() for took in values]
    counts = {name: sum(len(getattr(r.verdict, name)) for r in rounds) for name in ("missing", "extra", "doubled")}
    words = " ".join(f"{name} {number}" for name, number in counts.items())
    median = statistics.median(times) if times else 0.0
    return f"faults {len(times)} {words} recovery median {median:.1f} s p95 {percentile(times, 0.95):.1f} s"


def table(rounds: Sequence[Round]) -> Iterator[str]:
    """Recovery times by kind of fault, line by line."""
    yield f"{'fault':24}{'times':>6}{'median s':>10}{'p95 s':>8}"
    for kind, took in by_kind(rounds).items():
        yield f"{kind:24}{len(took):6}{statistics.median(took):10.1f}{percentile(took, 0.95):8.1f}"
    ends: Counter[int] = Counter()
    for one in rounds:
        ends.update(one.ends)
    for status, number in sorted(ends.items()):
        yield f"{number} workers ended themselves with status {status} and were started again"
    yield f"{sum(r.fenced for r in rounds)} zombies were fenced"
    yield f"{sum(r.put_aside for r in rounds)} local states could not be used and were read back from the changelog"


def figures(rounds: Sequence[Round], seed: int, broker: str) -> dict[str, object]:
    """What is kept of a campaign."""
    return {
        "total": total(rounds),
        "seed": seed,
        "broker": broker,
        "recovery_s": {kind: [round(t, 2) for t in took] for kind, took in by_kind(rounds).items()},
        "rounds": [
            {"setting": str(r.setting), "ended": r.ends, "sent_under_faults": r.sent_under_faults, "fenced": r.fenced,
             "put_aside": r.put_aside}
            | r.verdict._asdict()
            for r in rounds
        ],
    }  # fmt: skip


def run(broker: Broker, folder: Path, faults: Sequence[str], seed: int) -> list[Round]:
    """The campaign, round by round, saying how each went."""
    rounds = []
    for number, begin in enumerate(range(0, len(faults), A_ROUND)):
        setting = SETTINGS[number % len(SETTINGS)]
        sys.stdout.write(f"round {number + 1}: {setting}\n")
        home = folder / f"round-{number + 1}"
        home.mkdir()
        one = play_round(broker, home, setting, faults[begin : begin + A_ROUND], Recording(), seed=seed * 1000 + number)
        rounds.append(one)
        v = one.verdict
        sys.stdout.write(
            f"  {v.alerts} alerts in {v.revisions} revisions: missing {len(v.missing)} extra {len(v.extra)}"
            f" doubled {len(v.doubled)}; {v.retold} told otherwise than in a replay\n"
        )
        for word in ("missing", "extra", "doubled"):
            sys.stdout.writelines(f"  {word}: {name}\n" for name in getattr(v, word))
        sys.stdout.flush()
    return rounds


def main() -> int:
    """Runs the campaign; returns 0 where nothing was lost and nothing doubled."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign")
    parser.add_argument("--faults", type=int, default=FAULTS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--broker", default="kafka", help="a kind of tests.brokers that keeps transactions")
    parser.add_argument("--only", action="append", choices=KINDS, help="a kind of fault; all where none is named")
    chosen = parser.parse_args()
    broker = open_broker(chosen.broker)
    sys.stdout.write(f"seed {chosen.seed}, {chosen.faults} faults, broker: {broker.source}\n")
    faults = plan(chosen.faults, random.Random(chosen.seed), chosen.only or tuple(KINDS))
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        rounds = run(broker, folder, faults, chosen.seed)
    finally:
        broker.close()
    _FILE.parent.mkdir(exist_ok=True)
    _FILE.write_text(json.dumps(figures(rounds, chosen.seed, broker.source), indent=1))
    sys.stdout.writelines(f"{line}\n" for line in (*table(rounds), total(rounds)))
    return 0 if all(one.verdict.perfect for one in rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
