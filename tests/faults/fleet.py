"""Workers of one detector, each with a folder, a disk and an identity of its own, that tests kill, freeze and move."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from agents.demo.worker import CHANNELS, CLOCK, SETTINGS
from agents.runtime import EXIT_FAILED
from app.config.files import write_toml
from tests.kafka.live import LINKS, PARTITIONS, Live
from tests.kafka.runtime_bench import free_port

DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
"""A campaign that is interrupted leaves no worker behind, where Linux offers it."""
_ENDLESS = 1
"""The exit status of a worker whose RocksDB came to no end of opening damaged state."""
_LOOK_S = 0.1
_ANSWER_S = 2.0
_BACKLOG = 100
"""So many records may be under way at any moment of steady input."""


class Look(NamedTuple):
    """What the workers that run say at one moment."""

    ready: bool
    at_work: Counter[str]
    """Agent → partitions at work, over all workers."""
    behind_ms: float
    """How far the least heard channel of any partition is behind the clock."""
    lag: float
    """Records known and not processed."""


class Member:
    """One worker. `start` it as often as is wanted; its disk stays."""

    def __init__(self, live: Live, number: int, *, static: bool) -> None:
        self.name = f"worker-{number}"
        self.folder = live.folder / self.name
        self.folder.mkdir()
        self.state = self.folder / "state"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.frozen = False
        self.crashes: deque[str] = deque()
        """Failpoints (`point:n`) for the next starts, one each."""
        worker: dict[str, Any] = live.settings.worker.model_dump(mode="json", exclude_none=True)
        worker |= {"data_dir": str(self.state), "http_port": self.port, "batch_max": "100ms"}
        worker |= {"instance_id": self.name} if static else {}
        tables = {"kafka": {"bootstrap": live.broker.bootstrap}, "worker": worker, "links": LINKS}
        (self.folder / SETTINGS).write_text(write_toml(tables))
        for name in (CHANNELS, CLOCK):
            (self.folder / name).symlink_to(live.folder / name)

    def start(self) -> None:
        crash_at = self.crashes.popleft() if self.crashes else ""
        with (self.folder / "worker.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*DIES_WITH_PARENT, sys.executable, "-m", "agents.demo.worker", str(self.folder)],
                env=os.environ | {"HANDOFF_CRASH_AT": crash_at},
                stdout=log,
                stderr=log,
            )

    @property
    def ended(self) -> int | None:
        """The exit status of a worker that was started and runs no more."""
        return None if self.process is None else self.process.poll()

    def end(self, sign: signal.Signals) -> None:
        """Ends the worker on purpose."""
        assert self.process is not None
        self.process.send_signal(sign)
        self.process.wait(20)
        self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    @property
    def log(self) -> str:
        path = self.folder / "worker.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def get(self, path: str) -> str:
        """The answer, or nothing where nobody answers with success."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=_ANSWER_S) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""


class Fleet:
    """The workers of one detector; one that ended unasked is started again."""

    def __init__(self, live: Live, *, static: bool = False) -> None:
        self.live = live
        self.static = static
        self.members: list[Member] = []
        self.ends: Counter[int] = Counter()
        """Exit status → how many workers ended with it unasked."""
        self._known: list[Member] = []

    def add(self) -> Member:
        """A worker more, with an empty disk, not yet started."""
        member = Member(self.live, len(self._known) + 1, static=self.static)
        self._known.append(member)
        self.members.append(member)
        return member

    def said(self, *words: str) -> int:
        """How many lines of all logs hold one of these words."""
        lines = (line for member in self._known for line in member.log.splitlines())
        return sum(any(word in line for word in words) for line in lines)

    def remove(self, member: Member) -> None:
        """Forgets a worker that has ended."""
        self.members.remove(member)

    def heir(self, member: Member, *, disk: bool) -> Member:
        """Another worker in place of one that has ended, on its disk or on an empty one."""
        self.remove(member)
        heir = self.add()
        if disk and member.state.exists():
            shutil.move(member.state, heir.state)
        return heir

    def tend(self) -> None:
        """Starts again whoever ended unasked. Raises AssertionError for an end that is no worker's own."""
        for member in self.members:
            status = member.ended
            if status is not None:
                self.ends[status] += 1
                assert status in {EXIT_FAILED, _ENDLESS, 137}, (
                    f"{member.name} ended with {status}:\n{member.log[-3000:]}"
                )
                member.start()

    def look(self) -> Look:
        """Asks all workers that run and are not frozen."""
        at_work: Counter[str] = Counter()
        ready, behind, lag = True, 0.0, 0.0
        for member in [m for m in self.members if m.process is not None and not m.frozen]:
            text = member.get("/metrics") if member.get("/readyz") else ""
            ready &= bool(text)
            mine: Counter[str] = Counter()
            for line in text.splitlines():
                name, _, value = line.rpartition(" ")
                stem, _, label = name.partition("{")
                if stem == "handoff_partitions":
                    mine[label.split('"')[1]] += int(float(value))
                elif stem == "handoff_feed_behind_seconds":
                    behind = max(behind, 1000 * float(value))
                elif stem == "handoff_lag_records":
                    lag += float(value)
            if mine["detect"] and text.count("handoff_feed_behind_seconds{") != len(self.live.tables.feeds()):
                ready = False  # a partition that has heard nothing yet
            at_work += mine
        return Look(ready, at_work, behind, lag)

    def _whole(self, look: Look) -> bool:
        inputs = PARTITIONS * len(self.live.tables.topics)
        return look.ready and look.at_work["detect"] == PARTITIONS and look.at_work["ingest"] == inputs

    def settled(self) -> bool:
        """Whether every partition is at work, has heard everything up to the clock, and nothing is left to read."""
        now = self.live.clock()
        look = self.look()
        return self._whole(look) and look.behind_ms <= self.live.clock() - now and not look.lag

    def recovered(self, moment: int) -> bool:
        """Whether every partition is at work, has heard all channels beyond a moment (ms), and keeps up."""
        look = self.look()
        return self._whole(look) and self.live.clock() - look.behind_ms > moment and look.lag < _BACKLOG

    def wait(self, until: Callable[[], bool], seconds: float = 90.0) -> float:
        """Waits until the condition holds, tending the workers; returns how long that took, s."""
        began = time.monotonic()
        while not until():
            self.tend()
            if time.monotonic() - began > seconds:
                logs = "\n".join(f"{m.name} {m.ended} {m.log[-1500:]}" for m in self.members)
                raise AssertionError(f"not within {seconds} s: {self.look()}\n{logs}")
            time.sleep(_LOOK_S)
        return time.monotonic() - began

    def close(self) -> None:
        """Ends every worker, whatever it is doing."""
        for member in self.members:
            if member.process is not None:
                member.process.kill()
                member.process.wait()
