"""`handoff worker --processes N`: the processes share the partitions, and together say what one says alone."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents.clock import wall_clock
from agents.demo.worker import CHANNELS, SETTINGS
from app.core.rule import SECOND
from schemas import events as e
from schemas.codec import encode_event
from schemas.events import Channel
from schemas.state import Fact
from tests.brokers import Broker
from tests.kafka.live import PARTITIONS, SECRET, Live, open_live
from tests.kafka.runtime_bench import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
ORDERS = 60
TWO_TOPICS = """
[topics."app.events"]
channel = "app"
lateness = "5s"

[topics."pickup.events"]
channel = "pickup"
lateness = "5s"
"""
SOON = "\n[rules.H101]\nwithin = '3s'\n"
Revision = tuple[str, str | None, float | None]


@pytest.fixture
def live(transactional_broker: Broker, tmp_path: Path) -> Iterator[Live]:
    with open_live(transactional_broker, tmp_path, channels=TWO_TOPICS, http_port=free_port()) as opened:
        with (opened.folder / SETTINGS).open("a") as file:
            file.write(SOON)
        yield opened


def start(live: Live, processes: int) -> "subprocess.Popen[bytes]":
    files = ["--config", str(live.folder / SETTINGS), "--channels", str(live.folder / CHANNELS)]
    command = [sys.executable, "-m", "agents.cli", "worker", *files, "--processes", str(processes)]
    with (live.folder / "worker.log").open("ab") as log:
        live.worker = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | SECRET)
    return live.worker


def shares(live: Live, number: int) -> int:
    """How many events partitions the worker of this number has; none before it is ready."""
    port = live.settings.worker.http_port + number
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return int(json.load(answer)["partitions"]["detect"])
    except OSError:
        return 0


def tell(live: Live, topic: Channel, at: int, data: Any) -> None:
    fact = Fact(at, f"{data.order_id}-{topic}", f"/{topic}", topic, data)
    live.hand_over(f"{topic}.events", encode_event(fact, {"id": f"c-{data.order_id}"}), data.order_id.encode())


def place(live: Live) -> dict[str, list[Revision]]:
    """Orders, one in three shown at the desk in time, one late, one never; returns what is to be said of them."""
    now, expected = wall_clock(), {}
    for number in range(ORDERS):
        order = f"o{number}"
        tell(live, "app", now, e.OrderPlaced(order, "pickup", "s1"))
        if number % 3 == 0:
            tell(live, "pickup", now + SECOND, e.OrderVisible(order, "s1"))
        elif number % 3 == 1:
            tell(live, "pickup", now + 10 * SECOND, e.OrderVisible(order, "s1"))
            expected[order] = [("firing", None, None), ("resolved", "late", 7.0)]
        else:
            expected[order] = [("firing", None, None)]
    live.come_to(now, settle=False)
    return expected


def said(live: Live) -> dict[str, list[Revision]]:
    """Order → the revisions of its alert, in their order."""
    found: dict[str, list[Revision]] = defaultdict(list)
    for alert in sorted(live.alerts(), key=lambda alert: int(alert["revision"])):
        found[alert["subject"]["id"]].append((alert["status"], alert.get("resolution"), alert.get("late_seconds")))
    return dict(found)


@pytest.mark.parametrize("processes", [1, 2])
def test_however_many_processes_share_the_partitions_they_say_the_same(live: Live, processes: int) -> None:
    # given
    parent = start(live, processes)
    live.wait(lambda: [shares(live, n) for n in range(processes)] == [PARTITIONS // processes] * processes)
    # when
    expected = place(live)
    live.wait(lambda: sum(map(len, said(live).values())) >= sum(map(len, expected.values())))
    time.sleep(1)
    # then
    assert said(live) == expected
    children = psutil.Process(parent.pid).children()
    assert live.stop() == 0
    assert not any(child.is_running() for child in children)


def test_when_a_process_is_killed_the_other_ends_and_so_does_the_parent(live: Live) -> None:
    # given
    parent = start(live, 2)
    live.wait(lambda: shares(live, 0) and shares(live, 1))
    one, other = psutil.Process(parent.pid).children()
    # when
    one.kill()
    # then
    assert parent.wait(20) == 137
    assert not other.is_running()


def test_each_process_keeps_its_state_in_a_directory_of_its_own(live: Live) -> None:
    start(live, 2)
    live.wait(lambda: shares(live, 0) and shares(live, 1))
    assert live.stop() == 0
    stores = sorted(
        str(path.relative_to(live.settings.worker.data_dir)) for path in live.settings.worker.data_dir.glob("*/*-[01]")
    )
    assert {store.partition("/")[0] for store in stores} == {"worker-0", "worker-1"}
