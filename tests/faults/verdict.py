"""Whether what was said under faults is what had to be said.

Two oracles. `handoff replay` over the input says which alerts there are and how each stands in the end: it knows
nothing of the log, so it shows what ingest lost. The core over the log of events says every revision of every alert:
whatever order the faults have put the channels in, that is what the detector must have said of it, and said once.
"""

import json
from collections import Counter
from typing import Any, NamedTuple

from schemas.topics import ALERTS, EVENTS
from tests.kafka.live import Live
from tests.kafka.recorded_day import Recording, replayed, said
from tests.kafka.test_live_is_replay import of_the_log


class Verdict(NamedTuple):
    """Each alert or revision is named once in each list."""

    alerts: int
    revisions: int
    missing: list[str]
    """Alerts the replay knows and nobody heard, or whose last word was another; revisions of the log nobody heard."""
    extra: list[str]
    """Alerts and revisions that neither the replay nor the log knows."""
    doubled: list[str]
    """Revisions said more than once."""
    retold: int
    """Alerts that came to the same end by other revisions than in the replay. Faults hold some channels back, so that
    an alarm may be raised and taken back that a replay, which hears all channels together, need not raise."""

    @property
    def perfect(self) -> bool:
        return not (self.missing or self.extra or self.doubled)


def judge(live: Live, recording: Recording) -> Verdict:
    """Compares the committed alerts with both oracles. What a verdict rests on is left in the detector's folder."""
    topics = (*live.tables.topics, EVENTS.name, ALERTS.name)
    values = {topic: [row.value or b"" for row in live.read(topic)] for topic in topics}
    for topic, lines in values.items():
        (live.folder / f"{topic}.said").write_bytes(b"\n".join(lines))
    sent = Counter(record.value for record in recording.records)
    assert sent == Counter(line for topic in live.tables.topics for line in values[topic]), (
        "the input was not sent once"
    )
    return compare(values[ALERTS.name], of_the_log(live), replayed(live, recording))


def compare(spoken: list[bytes], log: list[bytes], replay: list[bytes]) -> Verdict:
    """What was said, against what the log of events and a replay of the input make of it; encoded alerts, each."""
    heard, expected = said(spoken), said(replay)
    stands, should = _standings(spoken), _standings(replay)
    misunderstood = {name for name, last in should.items() if stands.get(name) != last}
    times = Counter(map(_name, spoken))
    return Verdict(
        alerts=len(stands),
        revisions=len(spoken),
        missing=sorted(misunderstood | _names(set(log) - set(spoken))),
        extra=sorted((stands.keys() - should.keys()) | _names(set(spoken) - set(log))),
        doubled=sorted(name for name, number in times.items() if number > 1),
        retold=sum(heard.get(name) != revisions for name, revisions in expected.items()),
    )


def _name(line: bytes) -> str:
    alert = json.loads(line)
    return f"{alert['id']} revision {alert['revision']}"


def _names(lines: set[bytes]) -> set[str]:
    return {_name(line) for line in lines}


def _standings(lines: list[bytes]) -> dict[str, str]:
    """Alert id → how it stands in the end, without what depends on the way there."""
    last: dict[str, dict[str, Any]] = {}
    for alert in map(json.loads, lines):
        if alert["revision"] >= last.get(alert["id"], alert)["revision"]:
            last[alert["id"]] = alert
    return {name: _standing(alert) for name, alert in last.items()}


def _standing(alert: dict[str, Any]) -> str:
    facts = sorted(evidence["event_id"] for evidence in alert.get("evidence", ()))
    kept = {key: value for key, value in alert.items() if key not in {"revision", "evidence"}}
    return json.dumps([kept, facts], sort_keys=True)
