"""A simulated day as it was sent, and what `handoff replay` says of it: what a worker must say, whatever befalls it."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from agents.demo.worker import CHANNELS
from app.core.rule import HOUR, MINUTE
from app.simulate import RECORDED, Day, Sent
from app.simulate.background import SILENCE, SILENT
from app.simulate.wire import TOPICS
from schemas.codec import to_time
from tests.kafka.live import Live

CUSTOMERS = 240
"""Enough for every fault of the simulator."""


class Recording:
    """A day of the simulated shop in the order in which it was sent: with records out of order, late and repeated.

    Whether a record comes before or after a deadline was judged, where its channel's lateness leaves both open, is the
    business of whoever reads: an alarm is raised and taken back, or spared. A replay hears every channel up to each
    record before it reads that one. The worker is made to do the same where it matters, before each late record (its
    repetition changes nothing); and around the first word of the silent channel, whose moment its alert tells.
    """

    def __init__(self) -> None:
        day = Day(CUSTOMERS, 5, RECORDED)
        self.start_ms, self.end_ms, self.truth = day.start_ms, day.end_ms, day.truth
        self.records = list(day.records())
        slack = {TOPICS[feed.channel]: feed.lateness_ms for feed in day.feeds}
        after_silence = [s for s in self.records if s.topic == TOPICS[SILENT] and s.at_ms >= SILENCE[1]]
        self._waiting = {sent.number for sent in after_silence[:2]}
        seen: set[bytes] = set()
        for sent in self.records:
            if sent.value not in seen and sent.sent_ms - sent.at_ms > slack[sent.topic]:
                self._waiting.add(sent.number)
            seen.add(sent.value)

    def waits(self, sent: Sent) -> bool:
        """Whether everything before it is to be heard first."""
        return sent.number in self._waiting

    def write(self, folder: Path) -> Path:
        """One file for each topic, as it was sent."""
        folder.mkdir()
        for topic in {sent.topic for sent in self.records}:
            lines = [sent.value + b"\n" for sent in self.records if sent.topic == topic]
            (folder / f"{topic}.jsonl").write_bytes(b"".join(lines))
        return folder


def morning(hours: int = 9) -> Recording:
    """The first hours of the recorded day, and then half an hour of quiet in which every event that waits for its link
    is let go: while one waits, its channel's clock is held back.
    """
    recording = Recording()
    last_ms = recording.start_ms + hours * HOUR
    recording.records = [sent for sent in recording.records if sent.sent_ms <= last_ms]
    recording.end_ms = last_ms + 30 * MINUTE
    return recording


def said(alerts: Iterable[bytes]) -> dict[str, list[str]]:
    """Alert id → its revisions in their order, without the offsets of the evidence."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in alerts:
        alert = json.loads(line)
        for evidence in alert.get("evidence", ()):
            evidence.pop("partition", None)
            evidence.pop("offset", None)
        found[alert["id"]].append((alert["revision"], json.dumps(alert)))
    return {name: [text for _, text in sorted(revisions)] for name, revisions in found.items()}


def replayed(live: Live, recording: Recording) -> list[bytes]:
    """What `handoff replay` says of the recording's files, in an environment without Kafka."""
    files, out = recording.write(live.folder / "recording"), live.folder / "alerts.jsonl"
    until = to_time(recording.end_ms).isoformat()
    command = ["-m", "app", "replay", str(files), "--channels", str(live.folder / CHANNELS), "--until", until]
    subprocess.run([sys.executable, *command, "--out", str(out)], check=True, timeout=60, capture_output=True)
    return out.read_bytes().splitlines()
