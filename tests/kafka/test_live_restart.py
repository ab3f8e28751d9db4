"""A worker that is stopped, killed or joined by another in the middle of a day says what it would have said."""

import json
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.topics import ALERTS
from tests.kafka.live import Live
from tests.kafka.recorded_day import Recording, replayed, said

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def play(live: Live, recording: Recording, parts: int, between: Callable[[], None]) -> list[bytes]:
    """Plays a recording in so many parts. What is to happen between two of them happens while the worker has records
    of the first still to read. Returns the alerts.
    """
    live.clock.set(recording.start_ms)
    live.start()
    records = recording.records
    cuts = [len(records) * part // parts for part in range(parts + 1)]
    for begin, end in pairwise(cuts[:-1]):
        part = records[begin:end]
        live.play(part, part[-1].sent_ms, heard_before=recording.waits, settle=False)
        between()
    live.play(records[cuts[-2] :], recording.end_ms, heard_before=recording.waits)
    assert all(one.stop() == 0 for one in (live, *live.others) if one.running)
    return [row.value or b"" for row in live.read(ALERTS.name)]


def test_stopped_and_started_again_a_worker_says_everything_once(live: Live) -> None:
    recording = Recording()

    def restart() -> None:
        assert live.stop() == 0
        live.start()

    assert said(play(live, recording, 3, restart)) == said(replayed(live, recording))


def test_killed_and_started_again_a_worker_says_everything(live: Live) -> None:
    """Once on a broker that keeps transactions; elsewhere what was under way is said again in the same words."""
    recording = Recording()

    def kill() -> None:
        assert live.stop(signal.SIGKILL) == -signal.SIGKILL
        live.start()

    spoken = play(live, recording, 3, kill)
    if not live.broker.transactions:
        spoken = list(dict.fromkeys(spoken))
    assert said(spoken) == said(replayed(live, recording))


def test_a_second_worker_that_takes_a_share_and_then_all_says_the_same(live: Live, tmp_path: Path) -> None:
    recording = Recording()
    with live.beside(tmp_path / "second") as second:

        def hand_over() -> None:
            if second.worker is None:
                second.start()
            else:
                assert live.stop() == 0

        spoken = play(live, recording, 3, hand_over)
    assert said(spoken) == said(replayed(live, recording))


def owned(live: Live) -> int:
    """Partitions of channels' topics that this worker has."""
    return int(json.loads(live.get("/readyz")[1])["partitions"]["ingest"])


def test_a_worker_that_stood_by_with_nothing_takes_all_over_and_says_the_same(live: Live, tmp_path: Path) -> None:
    """There are two partitions of each topic, and for a while three workers."""
    recording = Recording()
    with live.beside(tmp_path / "second") as second, live.beside(tmp_path / "third") as third:
        workers = (live, second, third)

        def take_over() -> None:
            second.start()
            third.start()
            live.wait(lambda: sorted(min(1, owned(one)) for one in workers) == [0, 1, 1])
            at_work = [one for one in workers if owned(one)]
            assert all(one.stop() == 0 for one in at_work)

        spoken = play(live, recording, 2, take_over)
    assert said(spoken) == said(replayed(live, recording))
